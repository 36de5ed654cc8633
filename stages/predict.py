"""The stages `predict_val_*` and `predict_test_*`: one lineage's logits on held-out splits."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lipnet.data.loader import ClipStore, open_split
from lipnet.data.shrink import Shrink
from lipnet.device import keep_freed_memory
from lipnet.errors import InputError
from lipnet.files import write_folder_atomic
from lipnet.inference.logits import SavedLogits, write_logits
from lipnet.inference.onnx_reader import load_onnx
from lipnet.inference.predict import predict_each
from lipnet.lease import lease_device
from lipnet.lineage.generation import ONNX_FILE, model_file
from lipnet.lineage.summary import read_generations
from lipnet.models.fold import fold_batchnorm
from lipnet.models.weights import load_model
from lipnet.recipe import Recipe
from lipnet.shards.storage import list_shards
from pipeline.params import load_params
from pipeline.paths import Paths
from pipeline.program import run_stage

USAGE = "usage: python -m stages.predict val|test LINEAGE"
OPTIONAL_SPLITS = ("unseen",)  # speakers who are in no other split, if the source has any


def main() -> None:
    """Predict val, or test and the optional splits; no call reads both."""
    if len(sys.argv) != 3 or sys.argv[1] not in ("val", "test"):
        raise InputError(USAGE)
    part, lineage = sys.argv[1], sys.argv[2]
    keep_freed_memory()
    params = load_params()
    paths = Paths(params.profile)
    splits = {"val": ["val"], "test": ["test", *_present(paths.shards)]}[part]
    place = {"val": paths.logits_val, "test": paths.logits_test}[part] / lineage
    shrink = Shrink.for_recipe(params.recipe_of(lineage))
    workers = params.workers
    with lease_device() as device, write_folder_atomic(place) as folder:
        for split in splits:
            clips = open_split(
                paths.shards,
                split,
                shrink=shrink,
                memory_gib=workers.memory_gib,
                decoders=workers.decoders,
                cache=workers.cache_folder,
            )
            suffix = "" if part == "val" else f".{split}"
            for generation in read_generations(paths.lineage(lineage)):
                path = model_file(paths.lineage(lineage) / generation.name)
                saved = predict_split(path, clips, generation.recipe, device)
                write_logits(folder / f"{generation.name}{suffix}.npz", saved)


def predict_split(
    path: Path, clips: ClipStore, recipe: Recipe, device: torch.device
) -> SavedLogits:
    """One model's logits for one split, with the clips' metadata; a graph's on the CPU."""
    forward: Callable[..., Tensor]
    if path.name == ONNX_FILE:
        reader, _, _ = load_onnx(path, threads=torch.get_num_threads())
        forward, device = reader, reader.device
    else:
        forward = fold_batchnorm(load_model(path, device=str(device))[0])
    logits_NK, labels_N = predict_each(forward, clips, recipe, device=device, name=str(path))
    facts = clips.facts()
    texts = (facts.clip_ids, facts.units, facts.slots, facts.speakers)
    return SavedLogits(logits_NK.numpy(), labels_N.numpy(), *(np.array(text) for text in texts))


def _present(shards: Path) -> list[str]:
    return [split for split in OPTIONAL_SPLITS if list_shards(shards, split)]


if __name__ == "__main__":
    run_stage(main)
