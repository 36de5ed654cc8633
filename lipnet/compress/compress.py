"""Compressing one trained model by hand: packed, its BatchNorms measured again, then compared."""
# N clips  K classes

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lipnet.compress.batchnorm import reestimate_batchnorm
from lipnet.compress.compression import (
    Compression,
    bits_per_weight,
    dense_bytes,
    fit_compression,
)
from lipnet.data.loader import ClipStore, open_split
from lipnet.data.shrink import Shrink
from lipnet.device import choose_device
from lipnet.errors import InputError
from lipnet.files import digest_files
from lipnet.how import How
from lipnet.inference.embed import check_crops
from lipnet.inference.predict import predict_logits
from lipnet.measure.accuracy import Estimate, accuracy, paired_difference, topk
from lipnet.models.lipreader import Lipreader
from lipnet.models.rejection import ORIGIN_KEY, choose_rejection, describe_rejection
from lipnet.models.weights import ModelCard, is_packed, load_model, save_packed
from lipnet.recipe import Recipe
from lipnet.shards.summary import read_labels, read_summary

TRAIN, VAL = "train", "val"


@dataclass(frozen=True)
class Compared:
    """Top-1 on a split before and after, and the paired difference. `batchnorm`: whether
    validation chose the statistics that were measured again."""

    split: str
    batchnorm: bool
    source: Estimate
    compressed: Estimate
    difference: Estimate


@dataclass(frozen=True)
class Chosen:
    """A model to be stored, whether its BatchNorm statistics were measured again, and the logits
    [N, K] and labels [N] of its stored form on validation."""

    model: Lipreader
    measured_again: bool
    validation: tuple[Tensor, Tensor]

    @property
    def score(self) -> tuple[float, float]:
        """Top-1 and minus the loss on validation."""
        logits_NK, labels_N = self.validation
        top1 = topk(logits_NK.numpy(), labels_N.numpy(), 1).mean()
        return float(top1), -float(F.cross_entropy(logits_NK, labels_N))


@dataclass(frozen=True)
class Compressed:
    """A packed file; `ratio` is the tensors' bytes in single precision over the file's."""

    path: Path
    card: ModelCard
    how: How
    file_bytes: int
    ratio: float
    bits_per_weight: float
    compared: Compared | None


def compress_model(
    weights: Path | str,
    out: Path | str,
    how: How | str,
    *,
    shards: Path | str | None = None,
    split: str = VAL,
) -> Compressed:
    """Write a packed copy of a weights file, without training.

    With `shards`, of the model's own preprocessing, BatchNorm's statistics are measured again on
    training clips, and kept if they are better on validation; the accuracies are of `split`.
    InputError, with nothing written, for weights or shards that do not fit.

    >>> lipnet.compress_model("weights.safetensors", "small.safetensors", "int8").ratio
    3.9
    """
    weights, out = Path(weights), Path(out)
    how = How.parse(how) if isinstance(how, str) else how
    if out.suffix != ".safetensors" or not out.parent.is_dir():
        raise InputError(f"--out {out}: a .safetensors in a folder that exists")
    if is_packed(weights):
        raise InputError(f"{weights} is compressed already: take the model that it was made from")
    model, card = load_model(weights)
    compression = fit_compression(how, model)
    origin = {name: value for name, value in card.origin.items() if name != ORIGIN_KEY}
    origin |= {"how": str(how), "compressed_from": digest_files([weights])}
    compared, compressed = None, model
    if shards is not None:
        chosen, compared = _measure(model, card, compression, weights, Path(shards), split)
        compressed = chosen.model
        origin |= describe_rejection(choose_rejection(*chosen.validation))
    own_card = ModelCard(card.spec, card.labels, card.preprocessing, origin)
    save_packed(out, compression.pack(compressed), own_card)
    size = out.stat().st_size
    figures = (size, dense_bytes(model) / size, bits_per_weight(size, model))
    return Compressed(out, own_card, how, *figures, compared)


def _measure(
    model: Lipreader,
    card: ModelCard,
    compression: Compression,
    weights: Path,
    shards: Path,
    split: str,
) -> tuple[Chosen, Compared]:
    """The model with the statistics that are better on validation, and what `split` shows."""
    if split == TRAIN:
        raise InputError(f"--split {split}: the model was trained on its clips; name another one")
    recipe, device = Recipe.for_input(card.preprocessing), choose_device()
    clips = _open_splits(card, weights, shards, {TRAIN, VAL, split}, recipe)
    chosen = choose_statistics(model, compression, clips, recipe, device=device)
    held_out, units = clips[split], clips[split].facts().units
    before_N = _judge(model, held_out, recipe, device)
    after_N = _judge(compression.apply(chosen.model), held_out, recipe, device)
    difference = paired_difference(before_N, after_N, units)
    estimates = accuracy(before_N, units), accuracy(after_N, units)
    return chosen, Compared(split, chosen.measured_again, *estimates, difference)


def choose_statistics(
    model: Lipreader,
    compression: Compression,
    clips: Mapping[str, ClipStore],
    recipe: Recipe,
    *,
    device: torch.device,
) -> Chosen:
    """The model, or its copy with BatchNorm's statistics measured again for the stored weights if
    that is better on validation: a higher top-1, or the same and a lower loss."""
    stored = compression.apply(model)
    measured = reestimate_batchnorm(stored, clips[TRAIN], recipe, device=device).cpu()
    again = with_statistics(model, measured)
    candidates = [
        Chosen(
            own, own is again, predict_logits(stored.to(device), clips[VAL], recipe, device=device)
        )
        for own, stored in ((model, stored), (again, compression.apply(again)))
    ]
    return max(candidates, key=lambda own: own.score)


def with_statistics(model: Lipreader, measured: Lipreader) -> Lipreader:
    """A copy of the model with the other one's buffers."""
    changed = copy.deepcopy(model)
    changed.load_state_dict(dict(measured.named_buffers()), strict=False)
    return changed


def _open_splits(
    card: ModelCard, weights: Path, shards: Path, splits: set[str], recipe: Recipe
) -> dict[str, ClipStore]:
    summary = read_summary(shards)
    check_crops(card, summary.preprocessing, weights=weights, shards=shards)
    if read_labels(shards) != card.labels:
        raise InputError(f"{shards} has other labels than {weights}: take both of one profile")
    shrink = Shrink.for_recipe(recipe)
    return {split: open_split(shards, split, shrink=shrink) for split in sorted(splits)}


def _judge(
    model: Lipreader, clips: ClipStore, recipe: Recipe, device: torch.device
) -> NDArray[np.bool_]:
    """Whether each clip's label is first."""
    logits_NK, labels_N = predict_logits(model.to(device), clips, recipe, device=device)
    return topk(logits_NK.numpy(), labels_N.numpy(), 1)
