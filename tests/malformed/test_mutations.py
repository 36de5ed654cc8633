"""Mutations of valid files: each is read as what it was or refused in one line, in little memory.

10 of each kind, or 100 in `make faults` (FAULTS is set there).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.clip import Clip
from lipnet.crops.crop import CropOptions, describe_crops
from lipnet.errors import InputError
from lipnet.inference.logits import SavedLogits, read_logits, write_logits
from lipnet.inference.read import crop_options_of
from lipnet.landmarks.store import Track, TrackSpan, _read_arrays, read_track, write_tracks
from lipnet.models.build import build_model
from lipnet.models.weights import ModelCard, load_model, save_weights
from lipnet.recipe import Recipe
from lipnet.shards.index import ShardIndex, write_index
from lipnet.shards.meta import ClipMeta
from lipnet.shards.storage import ShardRef
from lipnet.shards.summary import read_labels_file
from lipnet.shards.tar import read_shard, write_shard
from lipnet.sources.manifest import read_clips, write_manifest
from lipnet.spec import ModelSpec
from tests.malformed.memory import limit_memory
from tests.malformed.mutations import (
    BYTES,
    Mutation,
    change_card,
    change_json,
    change_safetensors,
    change_table,
    change_tar,
)

CASES = 100 if "FAULTS" in os.environ else 10
GIB = 2**30
LABELS = ["bark", "lot", "million"]
CODECS = ("delta", "raw", "png", "jpeg90")


@dataclass(frozen=True)
class Kind:
    """A kind of file: its name, how it is written and read, and what else can happen to it.

    `read` returns what training or a reader takes from it, as a value that can be compared.
    """

    file: str
    write: Callable[[Path], object]
    read: Callable[[Path], object]
    mutations: tuple[Mutation, ...]


def crops_of(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(number).integers(0, 60, (4, 8, 8), np.uint8)


def clips() -> list[tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], ClipMeta]]:
    return [
        (crops_of(n), ClipMeta(f"s/{label}-{'n' * 90}", label, n, 1, 3))
        for n, label in enumerate(LABELS)
    ]


def write_indexed(codec: str) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        contents = write_shard(path, clips(), codec)
        write_index(path.with_suffix(".json"), ShardIndex("train/000000", contents))

    return write


def read_clips_of_shard(path: Path) -> object:
    return [(crops.tobytes(), meta) for crops, meta in read_shard(path)]


def read_bare_shard(path: Path) -> object:
    """Without the digest in an index, which would find every change first."""
    for crops, meta in read_shard(ShardRef(str(path))):
        assert 0 <= meta.word_first < meta.word_last <= len(crops)
    return None


def write_model(path: Path) -> None:
    spec = "shufflenetv2_0.5x + tcn_0.25x"
    model = build_model(ModelSpec.parse(spec), 3, generator=torch.Generator().manual_seed(4))
    facts = {"fps": 25.0, **describe_crops(CropOptions()), **Recipe().input_facts}
    save_weights(path, model, ModelCard(spec, LABELS, facts, {"source": "grid"}))


def read_model(path: Path) -> object:
    _, card = load_model(path)
    Recipe.for_input(card.preprocessing)
    crop_options_of(card.preprocessing, path)
    assert len(set(card.labels)) == len(card.labels)
    return None


def write_clips(path: Path) -> None:
    found = [
        Clip(f"{label}-{split}", f"{label}-{split}.mp4", label, split, "s1", "u", "", 0, -1, 2, 9)
        for split in ("train", "val", "test")
        for label in LABELS
    ]
    write_manifest(path.parent, found, [], source="folder", options={})


def read_manifest(path: Path) -> object:
    found = read_clips(path.parent)
    assert {clip.label for clip in found} == set(LABELS)
    assert len({clip.clip_id for clip in found}) == len(found) == 9
    return None


def write_points(path: Path) -> None:
    points = np.random.default_rng(3).normal(size=(5, 68, 2)).astype(np.float32)
    write_tracks(path, {"v.mp4": Track(points, np.ones(5, np.bool_), np.ones(5, np.float32))})


def read_points(path: Path) -> object:
    _read_arrays.cache_clear()
    assert read_track(path.parent, TrackSpan(path.stem, 0, 5)).points_TP2.shape == (5, 68, 2)
    return None


def write_saved(path: Path) -> None:
    texts = np.array(["a", "b", "c"])
    logits = np.random.default_rng(2).normal(size=(3, 3)).astype(np.float32)
    write_logits(path, SavedLogits(logits, np.arange(3), texts, texts, texts, texts))


def read_saved(path: Path) -> object:
    assert np.isfinite(read_logits(path).logits).all()
    return None


KINDS = {
    **{
        f"shard-{codec}": Kind("0.tar", write_indexed(codec), read_clips_of_shard, (change_tar,))
        for codec in CODECS
    },
    **{
        f"bare-{codec}": Kind("0.tar", write_indexed(codec), read_bare_shard, (change_tar,))
        for codec in CODECS
    },
    "index": Kind("0.json", lambda path: write_indexed("raw")(path.with_suffix(".tar")),
                  lambda path: read_clips_of_shard(path.with_suffix(".tar")), (change_json,)),
    "weights": Kind("w.safetensors", write_model, read_model, (change_safetensors, change_card)),
    "manifest": Kind("m/clips.csv", write_clips, read_manifest, (change_table,)),
    "landmarks": Kind("000000.npz", write_points, read_points, ()),
    "logits": Kind("g0.npz", write_saved, read_saved, ()),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_a_fault_in_a_file_is_refused_or_changes_nothing(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kind = KINDS[name]
    place = tmp_path_factory.mktemp(name)
    path = place / kind.file
    path.parent.mkdir(exist_ok=True)
    kind.write(path)
    whole = path.read_bytes()
    expected = kind.read(path)
    mutations = [*BYTES, *kind.mutations, *kind.mutations]  # the structured ones more often

    @settings(max_examples=CASES, database=None)
    @given(seed=st.integers(0, 2**32 - 1), which=st.integers(0, len(mutations) - 1))
    def check(seed: int, which: int) -> None:
        mutated = mutations[which](whole, np.random.default_rng(seed))
        path.unlink()  # another inode: a digest is compared again
        path.write_bytes(mutated)
        with limit_memory(GIB):
            try:
                found = kind.read(path)
            except InputError:
                return
        assert found == expected

    check()


def test_a_bad_list_of_labels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    for text in ("[" * 100_000, "[]", '["a", "a"]', '["a", 1]', '["a\\u0007"]', "{}", "\x00"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=r"labels\.json"):
            read_labels_file(path)
