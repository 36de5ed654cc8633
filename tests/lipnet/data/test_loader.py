"""Loading: every clip once, an order that is a function of (seed, epoch), in memory or streamed."""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from lipnet.data import split_reader
from lipnet.data.loader import ClipStore, MemoryStore, ShardStream, open_split, ordered
from lipnet.data.shrink import Shrink
from lipnet.errors import InputError
from lipnet.files import read_json, write_json
from lipnet.shards.codec import Crops
from lipnet.shards.index import ShardIndex, write_index
from lipnet.shards.meta import ClipMeta
from lipnet.shards.storage import ShardRef, list_shards
from lipnet.shards.tar import StoredShard, write_shard

WHOLE, HALF = Shrink(96, 96), Shrink(96, 48)
LABELS = [f"word {number}" for number in range(10)]


def make_sample(shard: int, clip: int, *, size: int = 96) -> tuple[Crops, ClipMeta]:
    crops = np.random.default_rng((shard, clip)).integers(0, 256, (3 + clip, size, size), np.uint8)
    meta = ClipMeta(f"w/{shard}-{clip}", LABELS[clip], clip, 0, 2, speaker="s", unit=f"u{shard}")
    return crops, meta


def write(folder: Path, shard: int, samples: Sequence[tuple[Crops, ClipMeta]]) -> None:
    tar = folder / "train" / f"{shard:06d}.tar"
    write_index(tar.with_suffix(".json"), ShardIndex(tar.stem, write_shard(tar, samples)))


def write_split(folder: Path) -> Path:
    """A folder of shards, with three shards of four clips each in the split `train`."""
    for shard in range(3):
        write(folder, shard, [make_sample(shard, clip) for clip in range(4)])
    write_json(folder / "labels.json", LABELS)
    return folder


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return write_split(tmp_path)


def pixels_of(store: ClipStore, *, seed: int, epoch: int) -> list[int]:
    batches = store.batches(torch.split(store.order(seed=seed, epoch=epoch), 5))
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
    for one, two in zip(ordered(memory, 5), ordered(stream, 5), strict=True):
        assert torch.equal(one.frames_BTHW, two.frames_BTHW)
        assert torch.equal(one.labels_B, two.labels_B)
        assert torch.equal(one.lengths_B, two.lengths_B)


@pytest.mark.parametrize("epoch", [0, 3])
def test_memory_and_stream_have_one_order(shards: Path, epoch: int) -> None:
    held, streamed = (
        open_split(shards, "train", shrink=HALF, memory_gib=memory) for memory in (1.0, 1e-9)
    )
    orders = [store.order(seed=4, epoch=epoch) for store in (held, streamed)]
    assert torch.equal(*orders)
    pixels = [pixels_of(store, seed=4, epoch=epoch) for store in (held, streamed)]
    assert pixels[0] == pixels[1]


def test_a_split_larger_than_the_memory_budget_is_streamed(shards: Path) -> None:
    assert isinstance(open_split(shards, "train", shrink=HALF), MemoryStore)
    assert isinstance(open_split(shards, "train", shrink=HALF, memory_gib=1e-6), ShardStream)


def test_the_clips_are_the_same_by_any_number_of_decoders(shards: Path) -> None:
    for memory in (1.0, 1e-9):
        stores = [
            open_split(shards, "train", shrink=HALF, memory_gib=memory, decoders=number)
            for number in (0, 1, 3)
        ]
        batches = [list(ordered(store, 5)) for store in stores]
        for first, *others in zip(*batches, strict=True):
            for other in others:
                assert torch.equal(first.frames_BTHW, other.frames_BTHW)


def test_memory_counts_clips_padded_to_the_longest(shards: Path) -> None:
    # 3 shards of clips of 3, 4, 5 and 6 frames, decoded into one array: 12 x 6
    needed = 72 * 48**2 / 2**30
    held = open_split(shards, "train", shrink=HALF, memory_gib=needed)
    assert isinstance(held, MemoryStore)
    less = open_split(shards, "train", shrink=HALF, memory_gib=0.99 * needed)
    assert isinstance(less, ShardStream)


def test_a_split_without_shards_is_named(shards: Path) -> None:
    with pytest.raises(InputError, match="val"):
        open_split(shards, "val", shrink=WHOLE)


def test_a_stream_shuffles_pools_of_whole_shards(shards: Path) -> None:
    store = ShardStream(list_shards(shards, "train"), HALF, pool=5)
    order = store.order(seed=1, epoch=0)
    assert sorted(order.tolist()) == list(range(12))
    first_pool = {
        number // 4 for number in order[:8].tolist()
    }  # 4 clips per shard, 2 shards per pool
    assert len(first_pool) == 2
    mixed = {tuple(store.order(seed=1, epoch=e)[:8].tolist()) for e in range(5)}
    assert len(mixed) == 5


def test_a_stream_gives_any_clips_in_any_order(shards: Path) -> None:
    refs = list_shards(shards, "train")
    memory, stream = MemoryStore.read(refs, HALF), ShardStream(refs, HALF, pool=5)
    chosen = [torch.tensor([11, 0, 5]), torch.tensor([5, 5]), torch.tensor([0, 7, 3, 11])]
    for one, two in zip(memory.batches(chosen), stream.batches(chosen), strict=True):
        assert torch.equal(one.frames_BTHW, two.frames_BTHW)
        assert torch.equal(one.labels_B, two.labels_B)


def test_each_shard_of_a_stream_is_read_once_per_epoch(
    shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    plain = split_reader.open_stored

    def count(ref: ShardRef) -> AbstractContextManager[StoredShard]:
        read.append(ref.location)
        return plain(ref)

    monkeypatch.setattr(split_reader, "open_stored", count)
    store = ShardStream(list_shards(shards, "train"), HALF, pool=5)
    list(store.batches(torch.split(store.order(seed=1, epoch=0), 5)))
    assert len(read) == len(set(read)) == 3


def test_a_stream_reads_the_pixels_of_its_own_clips(tmp_path: Path) -> None:
    """As one of several processes, each of which takes some clips of every shard."""
    crops = np.random.default_rng(0).integers(0, 256, (29, 96, 96), np.uint8)
    metas = [ClipMeta(f"w/{clip}", LABELS[clip], clip, 0, 2) for clip in range(4)]
    write(tmp_path, 0, [(crops, meta) for meta in metas])
    (ref,) = list_shards(tmp_path, "train")

    def count_bytes(store: ShardStream, clip: int) -> int:
        before = read_so_far()
        (batch,) = store.batches([torch.tensor([clip])])
        assert batch.labels_B.tolist() == [clip]
        return read_so_far() - before

    assert count_bytes(ShardStream([ref], HALF), 0) > ref.bytes  # all of it, for the SHA-256
    store = ShardStream([ref], HALF, labels=LABELS)
    assert count_bytes(store, 1) < 0.5 * ref.bytes
    assert count_bytes(store, 2) < 0.3 * ref.bytes


def read_so_far() -> int:
    """Bytes that this process has read from files."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


def test_a_shard_with_other_clips_than_its_index_lists_is_named(shards: Path) -> None:
    index = shards / "train" / "000001.json"
    found = read_json(index)
    assert isinstance(found, dict)
    write_json(index, {**found, "clips": 5, "labels": {"word 0": 5}})
    store = ShardStream(list_shards(shards, "train"), HALF)
    with pytest.raises(InputError, match=r"000001\.tar holds 4 clips, but its index lists 5"):
        list(ordered(store, 5))


KINDS = pytest.mark.parametrize("memory_gib", [1.0, 1e-9], ids=["memory", "stream"])


def read_all(shards: Path, memory_gib: float, shrink: Shrink = HALF) -> None:
    store = open_split(shards, "train", shrink=shrink, memory_gib=memory_gib)
    list(ordered(store, 5))
    store.facts()


@KINDS
@pytest.mark.parametrize("key", ["label_index", "word_first", "speaker"])
def test_a_clip_without_a_field_is_named(
    shards: Path, memory_gib: float, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dump(self: ClipMeta) -> bytes:
        return json.dumps({k: v for k, v in asdict(self).items() if k != key}).encode()

    monkeypatch.setattr(ClipMeta, "dump", dump)
    write(shards, 1, [make_sample(1, 9)])
    with pytest.raises(
        InputError, match=rf"000001\.tar .*clip w/1-9: it has no {key}.*run the stage"
    ):
        read_all(shards, memory_gib)


@KINDS
def test_a_clip_of_another_size_is_named(shards: Path, memory_gib: float) -> None:
    write(shards, 1, [make_sample(1, 0), make_sample(1, 9, size=120)])
    with pytest.raises(InputError, match=r"w/1-9 has crops of 120 x 120 .* among clips of 96 x 96"):
        read_all(shards, memory_gib)


@KINDS
def test_crops_too_small_for_the_recipe_are_named(shards: Path, memory_gib: float) -> None:
    with pytest.raises(InputError, match=r"crops of 96 pixels, and the recipe needs 122"):
        read_all(shards, memory_gib, Shrink(122, 96))


@KINDS
def test_a_truncated_shard_is_named(shards: Path, memory_gib: float) -> None:
    tar = shards / "train" / "000001.tar"
    tar.write_bytes(tar.read_bytes()[:-2000])
    with pytest.raises(InputError, match=r"000001\.tar"):
        read_all(shards, memory_gib)
