"""Weights and shards for tests of embeddings."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from lipnet.crops.crop import CropOptions
from lipnet.files import write_json
from lipnet.models.build import build_model
from lipnet.models.weights import ModelCard, save_weights
from lipnet.recipe import Recipe
from lipnet.shards.cut import describe_crops
from lipnet.shards.tar import facts_as_json, write_shard
from lipnet.spec import ModelSpec

SPEC = "resnet18_0.125x + dstcn_0.25x"
RECIPE = Recipe(field=60, input_size=32)
WORDS = ["A", "B", "C"]


def write_weights(
    path: Path, spec: str = SPEC, *, labels: Sequence[str] = WORDS, **preprocessing: object
) -> Path:
    """Weights of a model whose BatchNorms do something, with the card of the crops' facts."""
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
    save_weights(path, model, ModelCard(spec, list(labels), facts, {"model": "x-g0"}))
    return path


def write_shards(folder: Path) -> Path:
    """Five clips of 3 to 7 frames, "clip-0" to "clip-4", in two shards of the split "test"."""
    rng = np.random.default_rng(1)
    samples = [
        (rng.integers(0, 60 * clip + 9, (3 + clip, 96, 96), np.uint8), make_meta(clip, 3 + clip))
        for clip in range(5)
    ]
    for shard, part in enumerate((samples[:3], samples[3:])):
        tar = folder / "test" / f"{shard:06d}.tar"
        write_json(tar.with_suffix(".json"), {**facts_as_json(write_shard(tar, part)), "url": ""})
    write_json(folder / "labels.json", WORDS)
    facts = {**describe_crops(CropOptions()), "fps": 25.0}
    write_json(folder / "summary.json", {"preprocessing": facts})
    return folder


def make_meta(number: int, frames: int) -> dict[str, object]:
    """The facts of a stored clip."""
    label = number % len(WORDS)
    return {
        "clip_id": f"clip-{number}",
        "label": WORDS[label],
        "label_index": label,
        "speaker": "s",
        "unit": "u",
        "slot": "",
        "word_first": 1,
        "word_last": frames - 1,
    }
