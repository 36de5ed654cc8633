"""A model's start from a weights file, which may be of another spec and of other labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from lipnet.errors import InputError
from lipnet.models.lipreader import Lipreader
from lipnet.models.weights import check_values, load_card, read_tensors

NAMED = 4  # tensors or labels that a message lists before it stops
LAST_LAYERS = ("classifier.weight", "classifier.bias")  # one row per label; of exits too


@dataclass(frozen=True)
class Initial:
    """What a model did not get from the file that it starts from: whole `tensors`, and the rows of
    these `labels` in its last layers. They keep the values that the model was made with."""

    tensors: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    def describe(self) -> str:
        """What starts at random, as the end of a sentence; empty if nothing does."""
        parts = []
        if self.tensors:
            parts.append(f"{len(self.tensors)} tensors ({_list(self.tensors)})")
        if self.labels:
            parts.append(f"the last layer's rows for new labels ({_list(self.labels)})")
        return " and ".join(parts)


def load_initial(model: Lipreader, path: Path, labels: Sequence[str]) -> Initial:
    """Start a model of these labels from a weights file of any spec and labels.

    Tensors of the same name and shape are taken; of last layers the rows of those labels that the
    file has too, weights and biases, if the layer has as many features. InputError if nothing else
    fits.
    """
    card = load_card(path)
    own, found = model.state_dict(), read_tensors(path, card)
    whole = {
        name: tensor
        for name, tensor in found.items()
        if name in own and own[name].shape == tensor.shape and not name.endswith(LAST_LAYERS)
    }
    if not any(tensor.dim() > 1 for tensor in whole.values()):
        raise InputError(
            f"{path} has no tensor that fits this model: does it have another backbone and head?"
        )
    rows = {
        place: card.labels.index(label)
        for place, label in enumerate(labels)
        if label in card.labels
    }
    last = {
        name: tensor
        for name, tensor in found.items()
        if name in own and name.endswith(LAST_LAYERS) and _has_features_of(own, found, name)
    }
    taken = last if rows else {}
    check_values({**whole, **taken}, where=str(path))
    model.load_state_dict(
        {**whole, **{n: _take_rows(own[n], t, rows) for n, t in taken.items()}}, strict=False
    )
    new = [label for place, label in enumerate(labels) if place not in rows] if taken else []
    return Initial(tuple(sorted(set(own) - set(whole) - set(taken))), tuple(new))


def name_model(path: Path) -> str:
    """The model that a weights file has: its name in its study, else the file's."""
    return str(load_card(path).origin.get("model", path.name))


def _has_features_of(own: Mapping[str, Tensor], found: Mapping[str, Tensor], name: str) -> bool:
    """Whether the layer of this tensor has as many features in both."""
    weight = f"{name.rpartition('.')[0]}.weight"
    return weight in found and own[weight].shape[1:] == found[weight].shape[1:]


def _take_rows(own: Tensor, found: Tensor, rows: Mapping[int, int]) -> Tensor:
    """`own` with row `rows[i]` of `found` in the place of its row i."""
    taken = own.clone()
    taken[list(rows)] = found[list(rows.values())].to(own)
    return taken


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
