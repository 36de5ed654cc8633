"""Weights and shards for tests of embeddings."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from lipnet.crops.crop import CropOptions, describe_crops
from lipnet.data.clip_set import ClipSet
from lipnet.models.build import build_model
from lipnet.models.rejection import Rejection, describe_rejection
from lipnet.models.slimmable import Slimmable
from lipnet.models.spotting import Spotting, describe_spotting
from lipnet.models.weights import (
    TRAINED_ON,
    WIDTHS,
    ModelCard,
    load_model,
    save_tensors,
    save_weights,
)
from lipnet.recipe import Recipe
from lipnet.shards.index import ShardIndex, write_index
from lipnet.shards.meta import ClipMeta
from lipnet.shards.summary import ShardsSummary, SplitSummary, write_summary
from lipnet.shards.tar import write_shard
from lipnet.spec import ModelSpec

SPEC = "resnet18_0.125x + dstcn_0.25x"
RECIPE = Recipe(field=60, input_size=32)
WORDS = ["A", "B", "C"]
# Entries of a card's origin: what validation chose.
THRESHOLDS = {
    **describe_rejection(Rejection(0.5, 0.95, 0.2, 40)),
    **describe_spotting(Spotting(0.7, 0.12, 0.8, 2.0, 75)),
}


def write_weights(
    path: Path,
    spec: str = SPEC,
    *,
    labels: Sequence[str] = WORDS,
    trained_on: ClipSet | None = None,
    rejection: Rejection | None = None,
    **preprocessing: object,
) -> Path:
    """Weights of a model whose BatchNorms do something, with a card of how the crops were made."""
    generator = torch.Generator().manual_seed(1)
    model = build_model(ModelSpec.parse(spec), len(labels), generator=generator)
    for name, tensor in model.state_dict().items():
        noise = torch.rand(tensor.shape, generator=generator)
        if name.endswith("running_mean"):
            tensor.copy_(noise - 0.5)
        elif name.endswith("running_var"):
            tensor.copy_(noise + 0.1)
        elif "norm" in name and name.endswith("bias"):
            tensor.copy_(noise)
    facts = {**describe_crops(CropOptions()), "fps": 25.0, **RECIPE.input_facts, **preprocessing}
    origin = {"model": "x-g0", **describe_rejection(rejection)}
    if trained_on is not None:
        origin[TRAINED_ON] = trained_on.dump()
    save_weights(path, model, ModelCard(spec, list(labels), facts, origin))
    return path


def add_widths(path: Path, widths: tuple[float, ...]) -> None:
    """Make it a file of these widths, the narrower ones with fresh BatchNorms."""
    model, card = load_model(path)
    slimmable = Slimmable(model, ModelSpec.parse(card.spec), widths)
    changed = replace(card, origin={**card.origin, WIDTHS: list(widths)})
    save_tensors(path, slimmable.file_tensors(), changed)


def write_shards(folder: Path, splits: Sequence[str] = ("test",)) -> Path:
    """Five clips of 3 to 7 frames, "clip-0" to "clip-4", in two shards of each split."""
    rng = np.random.default_rng(1)
    samples = [
        (rng.integers(0, 60 * clip + 9, (3 + clip, 96, 96), np.uint8), make_meta(clip, 3 + clip))
        for clip in range(5)
    ]
    for split in splits:
        for shard, part in enumerate((samples[:3], samples[3:])):
            name = f"{split}/{shard:06d}"
            contents = write_shard(folder / f"{name}.tar", part)
            write_index(folder / f"{name}.json", ShardIndex(name, contents))
    counts = {split: SplitSummary(5, {}, 2) for split in splits}
    preprocessing = {**describe_crops(CropOptions()), "fps": 25.0}
    summary = ShardsSummary("f", counts, 0.5, 0.2, preprocessing, "delta", "", 0)
    write_summary(folder, summary, WORDS)
    return folder


def make_meta(number: int, frames: int) -> ClipMeta:
    """The meta of a stored clip."""
    label = number % len(WORDS)
    return ClipMeta(f"clip-{number}", WORDS[label], label, 1, frames - 1, speaker="s", unit="u")
