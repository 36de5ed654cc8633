"""Loading: every clip once, an order that is a function of (seed, epoch), in memory or streamed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lipnet.data.loader import ClipStore, MemoryStore, ShardStream, open_split
from lipnet.data.shards import facts_as_json, write_shard
from lipnet.data.shrink import Shrink
from lipnet.data.storage import list_shards
from lipnet.errors import InputError
from lipnet.files import write_json

WHOLE, HALF = Shrink(96, 96), Shrink(96, 48)


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    for shard in range(3):
        samples = [
            (
                rng.integers(0, 256, (3 + clip, 96, 96), dtype=np.uint8),
                {
                    "clip_id": f"w/{shard}-{clip}",
                    "label": "w",
                    "label_index": clip,
                    "speaker": "s",
                    "unit": f"u{shard}",
                    "slot": "",
                    "word_first": 0,
                    "word_last": 2,
                },
            )
            for clip in range(4)
        ]
        tar = tmp_path / "train" / f"{shard:06d}.tar"
        write_json(
            tar.with_suffix(".json"), {**facts_as_json(write_shard(tar, samples)), "url": ""}
        )
    return tmp_path


def pixels_of(store: ClipStore, *, seed: int, epoch: int) -> list[int]:
    batches = store.shuffled(5, seed=seed, epoch=epoch)
    return [int(row.sum()) for batch in batches for row in batch.frames_BTHW.long()]


@pytest.mark.parametrize("kind", [MemoryStore.read, ShardStream])
def test_every_clip_comes_once_in_an_order_of_seed_and_epoch(kind, shards: Path) -> None:  # type: ignore[no-untyped-def]
    store: ClipStore = kind(list_shards(shards, "train"), WHOLE)
    first = pixels_of(store, seed=1, epoch=0)
    assert len(first) == len(store) == 12
    assert first == pixels_of(store, seed=1, epoch=0)
    assert first != pixels_of(store, seed=1, epoch=1)
    assert first != pixels_of(store, seed=2, epoch=0)
    assert sorted(first) == sorted(pixels_of(store, seed=2, epoch=3))


def test_streaming_and_memory_give_the_same_ordered_clips(shards: Path) -> None:
    refs = list_shards(shards, "train")
    memory, stream = MemoryStore.read(refs, HALF), ShardStream(refs, HALF)
    assert memory.facts() == stream.facts()
    for one, two in zip(memory.ordered(5), stream.ordered(5), strict=True):
        assert torch.equal(one.frames_BTHW, two.frames_BTHW)
        assert torch.equal(one.labels_B, two.labels_B)
        assert torch.equal(one.lengths_B, two.lengths_B)


def test_a_split_larger_than_its_memory_is_streamed(shards: Path) -> None:
    assert isinstance(open_split(shards, "train", shrink=HALF), MemoryStore)
    assert isinstance(open_split(shards, "train", shrink=HALF, memory_gib=1e-6), ShardStream)


def test_memory_is_counted_with_each_clip_filled_up_to_the_longest(shards: Path) -> None:
    # 3 shards of clips of 3, 4, 5 and 6 frames: 54 frames as they come, 12 x 6 filled up
    needed = (54 + 72) * 48**2 / 2**30
    held = open_split(shards, "train", shrink=HALF, memory_gib=needed)
    assert isinstance(held, MemoryStore)
    less = open_split(shards, "train", shrink=HALF, memory_gib=0.99 * needed)
    assert isinstance(less, ShardStream)


def test_a_split_without_shards_is_named(shards: Path) -> None:
    with pytest.raises(InputError, match="val"):
        open_split(shards, "val", shrink=WHOLE)
