"""The weights file: safetensors with all that is needed to use the model in its header.

Its tensors are stored as they are, or packed (lipnet/coding); `load_model` reads both. A file of
several widths (lipnet/models/slimmable.py) gives a model of one of them.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from lipnet.coding.table import decode_rows, decode_tensors, encode_table
from lipnet.coding.tensors import Packed, unpack
from lipnet.errors import InputError
from lipnet.files import write_atomic
from lipnet.labels import parse_labels
from lipnet.models.build import build_empty
from lipnet.models.exits import take_exit
from lipnet.models.lengths import ORIGIN_KEY as LENGTHS_KEY
from lipnet.models.lengths import Lengths, read_lengths
from lipnet.models.lipreader import Lipreader
from lipnet.models.rejection import ORIGIN_KEY, Rejection, read_rejection
from lipnet.models.slimmable import Slimmable, take_width
from lipnet.models.spotting import ORIGIN_KEY as SPOTTING_KEY
from lipnet.models.spotting import Spotting, read_spotting
from lipnet.recipe import Recipe
from lipnet.records import Record, parse_json
from lipnet.spec import ModelSpec

# One header entry: safetensors writes several in no fixed order, and equal models must give
# equal bytes.
HEADER_KEY = "lipnet"
STARTED_FROM = "started_from"  # in the card's origin: the model whose weights training started from
TRAINED_ON = "trained_on"  # in the card's origin: the ClipSet of the training clips
WIDTHS = "widths"  # in the origin: those that the file has tensors of
COUNTS, VARIANCES = "num_batches_tracked", "running_var"  # of BatchNorm
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
PACKED_TABLE, PACKED_DATA = "packed.table", "packed.data"  # the only tensors of a packed file
NAMED = 3  # tensors that an error message lists before it counts the rest


@dataclass(frozen=True)
class ModelCard:
    """The header of a weights file: spec, labels in class order, preprocessing, origin.

    The origin of a trained model has its training clips, their lengths, and the threshold of
    rejection, if known.
    """

    spec: str
    labels: list[str]
    preprocessing: dict[str, object]
    origin: dict[str, object] = field(default_factory=dict)

    @property
    def rejection(self) -> Rejection | None:
        """The probability below which no label counts as read; None if none was chosen."""
        return read_rejection(self.origin)

    @property
    def spotting(self) -> Spotting | None:
        """When a word of a stream is reported; None if that was not chosen."""
        return read_spotting(self.origin)

    @property
    def lengths(self) -> Lengths:
        """The lengths of the training clips; 29 frames if the file does not state them."""
        return read_lengths(self.origin)

    @property
    def widths(self) -> tuple[float, ...]:
        """The widths of a file of several, shares of `spec` from 1 down; else 1 alone."""
        found = Record(self.origin)
        return tuple(found.numbers(WIDTHS)) if WIDTHS in found else (1.0,)

    def of_part(self, *, width: float, exit: int) -> "ModelCard":
        """The card of an ordinary model of one width, or up to an exit."""
        card = self._without({WIDTHS})
        if width == 1 and exit == 0:
            return card
        part = ModelSpec.parse(self.spec).at_width(width).at_exit(exit)
        return replace(card.without_thresholds(), spec=str(part))

    def without_thresholds(self) -> "ModelCard":
        """The card of a model with other weights, for which validation chose no thresholds."""
        return self._without({ORIGIN_KEY, SPOTTING_KEY})

    def _without(self, names: Collection[str]) -> "ModelCard":
        origin = {name: value for name, value in self.origin.items() if name not in names}
        return replace(self, origin=origin)


def save_weights(
    path: Path | str, model: Lipreader, card: ModelCard, *, half: bool = False
) -> None:
    """Write the model's tensors and its card whole or not at all; equal models, equal bytes.

    With `half` in half precision, which `load_model` reads as well; InputError if a weight is
    out of its range.
    """
    save_tensors(Path(path), model.state_dict(), card, half=half)


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], card: ModelCard, *, half: bool = False
) -> None:
    """The same for tensors by name, such as those of several widths."""
    if half:
        tensors = {name: _halve(path, name, tensor) for name, tensor in tensors.items()}
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    _write(path, stored, card, outputs=stored["classifier.bias"].numel())


def save_packed(path: Path, tensors: Mapping[str, Packed], card: ModelCard) -> None:
    """Write packed tensors and the card whole or not at all; equal tensors give equal bytes.

    `load_model` gives their `unpack`ed values.
    """
    parts = zip((PACKED_TABLE, PACKED_DATA), encode_table(tensors), strict=True)
    stored = {name: torch.frombuffer(bytearray(part), dtype=torch.uint8) for name, part in parts}
    _write(path, stored, card, outputs=tensors["classifier.bias"].shape[0])


def copy_weights(path: Path, out: Path, entries: Mapping[str, object]) -> None:
    """Write a weights file's tensors, packed or not, to `out`, with these entries added to the
    origin of its card; whole or not at all, and `out` may be the same file."""
    card = load_card(path)
    model, _ = load_model(path)  # InputError if the file is damaged
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    changed = replace(card, origin={**card.origin, **entries})
    _write(out, tensors, changed, outputs=model.classifier.out_features)


def is_packed(path: Path) -> bool:
    """Whether a weights file's tensors are packed; InputError if it is not readable."""
    with _open(path) as opened:
        return PACKED_TABLE in opened.keys()  # noqa: SIM118 (not a mapping)


def _write(path: Path, tensors: Mapping[str, Tensor], card: ModelCard, *, outputs: int) -> None:
    if outputs != len(card.labels):
        raise InputError(f"{path}: {len(card.labels)} labels for a model of {outputs} classes")
    header = json.dumps(asdict(card), sort_keys=True, ensure_ascii=False)
    with write_atomic(path) as temporary:
        # Written by Python, so that a full disk is an OSError and not safetensors' own.
        temporary.write_bytes(save(dict(tensors), {HEADER_KEY: header}))


def load_card(path: Path | str) -> ModelCard:
    """The card in a weights file's header, without reading its tensors."""
    path = Path(path)
    with _open(path) as opened:
        header: Mapping[str, str] = opened.metadata() or {}
    if HEADER_KEY not in header:
        raise InputError(f"{path} is safetensors, but its header has no {HEADER_KEY!r} card")
    return parse_card(path, header[HEADER_KEY])


def load_model(
    path: Path | str, device: str = "cpu", *, width: float = 1, exit: int = 0
) -> tuple[Lipreader, ModelCard]:
    """Rebuild the model that a weights file holds, in eval mode; errors name the tensors.

    Of a file of several widths the widest, or that of `width`; of a network with exits all of it,
    or what ends at `exit`, the first being 1; with the card of such a model.

    >>> model, card = lipnet.load_model("weights.safetensors")
    >>> card.spec, card.labels[:2]
    ('shufflenetv2_0.5x + tcn_1x', ['A', 'AGAIN'])
    """
    path = Path(path)
    card = load_card(path)
    tensors = read_tensors(path, card)
    try:
        Recipe.for_known_input(card.preprocessing)
    except InputError as error:
        raise InputError(f"{path}: its card cannot be built: {error}") from error
    # Compared before the model is allocated: a damaged spec may ask for any amount of memory.
    check_tensors(_shapes_of(path, card), tensors, where=f"{path} ({card.spec})")
    check_values(tensors, where=str(path))
    classes, spec = len(card.labels), ModelSpec.parse(card.spec)
    try:
        tensors = take_width(tensors, spec, classes, widths=card.widths, width=width)
        card = card.of_part(width=width, exit=exit)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    tensors = take_exit(tensors, spec, exit)
    model = build_empty(ModelSpec.parse(card.spec), classes)
    model.load_state_dict(tensors)
    return model.to(torch.device(device)).eval(), card


def check_tensors(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], *, where: str
) -> None:
    """Raise an InputError that names the missing, surplus and misshapen tensors of `found`."""
    misshapen = [
        f"{name} {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    faults = {
        "missing": sorted(set(expected) - set(found)),
        "surplus": sorted(set(found) - set(expected)),
        "misshapen": misshapen,
    }
    listed = [f"{kind}: {_shorten(names)}" for kind, names in faults.items() if names]
    if listed:
        raise InputError(f"{where} does not fit its spec; " + "; ".join(listed))


def check_values(tensors: Mapping[str, Tensor], *, where: str) -> None:
    """Raise an InputError that names the tensors unless all values can be a model's weights.

    They are finite real numbers, and variances and BatchNorm's counts of batches not negative.
    """
    wrong = [name for name, tensor in tensors.items() if not _is_plausible(name, tensor)]
    if wrong:
        raise InputError(
            f"{where} is damaged, or its training diverged: {_shorten(wrong)} has values that "
            "cannot be weights (not finite, of another type, or a negative variance)"
        )


def _is_plausible(name: str, tensor: Tensor) -> bool:
    counts = name.endswith(COUNTS)
    if counts or tensor.dtype not in FLOATS:
        return counts and tensor.dtype == torch.int64 and bool((tensor >= 0).all())
    if name.endswith(VARIANCES) and not bool((tensor >= 0).all()):
        return False
    return bool(torch.isfinite(tensor).all())


def parse_card(path: Path, text: str) -> ModelCard:
    """The card in a file's header; InputError, naming the file, if it is not one."""
    try:
        card = parse_json(text)
    except ValueError as error:
        raise InputError(f"{path}: its card is not JSON: {error}") from error
    wanted = {entry.name: entry.type for entry in fields(ModelCard)}
    if not isinstance(card, dict) or set(card) != set(wanted):
        raise InputError(f"{path}: its card needs exactly {', '.join(wanted)}")
    types = {"spec": str, "labels": list, "preprocessing": dict, "origin": dict}
    wrong = [name for name, kind in types.items() if not isinstance(card[name], kind)]
    if wrong:
        raise InputError(f"{path}: its card has a wrong value for {', '.join(wrong)}")
    try:
        parse_labels(card["labels"])
    except ValueError as error:
        raise InputError(f"{path}: its card: {error}") from None
    parsed = ModelCard(**card)
    try:
        read_rejection(parsed.origin)
    except ValueError as error:
        raise InputError(f"{path}: its card has a wrong {ORIGIN_KEY}: {error}") from None
    try:
        parsed.widths  # noqa: B018 (it is checked)
    except ValueError as error:
        raise InputError(f"{path}: its card has a wrong {WIDTHS}: {error}") from None
    try:
        read_spotting(parsed.origin)
    except ValueError as error:
        raise InputError(f"{path}: its card has a wrong {SPOTTING_KEY}: {error}") from None
    try:
        read_lengths(parsed.origin)
    except ValueError as error:
        raise InputError(f"{path}: its card has wrong {LENGTHS_KEY}: {error}") from None
    return parsed


def _halve(path: Path, name: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    halved = tensor.half()
    if not torch.isfinite(halved).all():
        raise InputError(f"{path}: {name} is out of the range of half precision")
    return halved


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    if path.suffix == ".onnx":
        raise InputError(f"{path} is an export: name the weights file that it was made from")
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a weights file (.safetensors)")
    try:
        with safe_open(path, framework="pt") as opened:
            yield opened
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is not a readable safetensors file: {error}") from error


def _shapes_of(path: Path, card: ModelCard) -> dict[str, Tensor]:
    """The tensors of the card's spec, without memory; InputError if it cannot be built."""
    try:
        spec = ModelSpec.parse(card.spec)
        model = build_empty(spec, len(card.labels), device="meta")
        several = len(card.widths) > 1
        return Slimmable(model, spec, card.widths).file_tensors() if several else model.state_dict()
    except InputError as error:
        raise InputError(f"{path}: its card cannot be built: {error}") from error


def read_tensors(path: Path, card: ModelCard) -> dict[str, Tensor]:
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is not a readable safetensors file: {error}") from error
    return _unpack_all(path, card, tensors) if PACKED_TABLE in tensors else tensors


def _unpack_all(path: Path, card: ModelCard, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    try:
        table, data = (tensors[name].numpy().tobytes() for name in (PACKED_TABLE, PACKED_DATA))
        rows = decode_rows(table)
        # Compared before anything is allocated: a damaged table may name any shape.
        found = {row.name: torch.empty(row.shape, device="meta") for row in rows}
        check_tensors(_shapes_of(path, card), found, where=f"{path} ({card.spec})")
        return {name: unpack(own) for name, own in decode_tensors(rows, data).items()}
    except InputError:
        raise
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} is damaged: its packed tensors cannot be read: {error}") from None


def _shorten(names: list[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
