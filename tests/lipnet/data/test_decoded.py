"""Decoded clips on a disk: the clips of the shards, decoded once, checked, whole or not there."""

import errno
import os
from collections import namedtuple
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from lipnet.data import decoded
from lipnet.data.batch import Sample
from lipnet.data.decoded import CLIPS, FRAMES, DecodedSplit, open_decoded
from lipnet.data.loader import MemoryStore, ShardStream, open_split
from lipnet.data.shrink import Shrink
from lipnet.data.split_reader import SplitReader
from lipnet.errors import InputError
from lipnet.shards.storage import ShardRef, list_shards
from tests.lipnet.data.test_loader import HALF, LABELS, WHOLE, make_sample, write, write_split

Usage = namedtuple("Usage", ["total", "used", "free"])


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return write_split(tmp_path)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "a new" / "cache"


def open_cached(shards: Path, cache: Path, shrink: Shrink = HALF) -> MemoryStore:
    store = open_split(shards, "train", shrink=shrink, memory_gib=1e-9, cache=cache)
    assert isinstance(store, MemoryStore)
    return store


def folders(cache: Path) -> list[Path]:
    """What is in the cache besides its locks."""
    return sorted(path for path in cache.iterdir() if path.suffix != ".lock")


def test_batches_are_those_of_the_stream_and_clips_are_decoded_once(
    shards: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = ShardStream(list_shards(shards, "train"), HALF)
    open_cached(shards, cache)
    monkeypatch.setattr(SplitReader, "read", lambda *_: pytest.fail("decoded again"))
    mapped = open_cached(shards, cache)
    monkeypatch.undo()
    chosen = torch.split(stream.order(seed=1, epoch=3), 5)
    assert torch.equal(mapped.order(seed=1, epoch=3), stream.order(seed=1, epoch=3))
    assert mapped.facts() == stream.facts()
    for ours, theirs in zip(mapped.batches(chosen), stream.batches(chosen), strict=True):
        assert torch.equal(ours.frames_BTHW, theirs.frames_BTHW)
        assert torch.equal(ours.lengths_B, theirs.lengths_B)
        assert torch.equal(ours.labels_B, theirs.labels_B)
        assert torch.equal(ours.words_B2, theirs.words_B2)


def test_clips_that_fit_into_memory_are_not_written(shards: Path, cache: Path) -> None:
    open_split(shards, "train", shrink=HALF, memory_gib=1, cache=cache)
    assert not cache.exists()


def test_other_pixels_and_other_shards_have_folders_of_their_own(shards: Path, cache: Path) -> None:
    open_cached(shards, cache)
    open_cached(shards, cache, WHOLE)
    assert len(folders(cache)) == 2
    write(shards, 2, [make_sample(9, clip) for clip in range(4)])
    changed = open_cached(shards, cache)
    assert len(folders(cache)) == 3
    held = MemoryStore.read(list_shards(shards, "train"), HALF)
    (ours,), (theirs,) = (list(store.batches([torch.arange(12)])) for store in (changed, held))
    assert torch.equal(ours.frames_BTHW, theirs.frames_BTHW)


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        (FRAMES, lambda content: content[:-1] + bytes([content[-1] ^ 1]), "the SHA-256 of frames"),
        (FRAMES, lambda content: content[:-1], r"frames\.u8 has 165887 bytes, not 165888"),
        (CLIPS, lambda content: content.replace(b"word 1", b"word 2"), "the SHA-256 of clips"),
    ],
)
def test_damaged_files_are_refused_and_can_be_removed(
    shards: Path, cache: Path, name: str, damage: object, message: str
) -> None:
    open_cached(shards, cache)
    (folder,) = folders(cache)
    path = folder / name
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(InputError, match=f"{message}.*remove this folder"):
        open_cached(shards, cache)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert len(open_cached(shards, cache)) == 12


def test_a_disk_without_room_is_named_before_clips_are_decoded(
    shards: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoded.shutil, "disk_usage", lambda place: Usage(1, 1, 1000))
    with pytest.raises(InputError, match=r"need 0\.0 GB in .*a new/cache, which has 0\.0 GB free"):
        open_cached(shards, cache)
    assert folders(cache) == []


def test_a_disk_that_fills_up_leaves_nothing(shards: Path, cache: Path) -> None:
    split = DecodedSplit.of(cache, list_shards(shards, "train"), WHOLE, LABELS)

    def decode() -> Iterator[Sample]:
        yield make_sample(0, 0)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(InputError, match="name a folder on another disk"):
        open_decoded(split, decode)
    assert folders(cache) == []


def test_one_of_several_processes_decodes_and_the_others_wait(shards: Path, cache: Path) -> None:
    """Threads, which hold locks of their own as processes do."""
    split = DecodedSplit.of(cache, list_shards(shards, "train"), WHOLE, LABELS)
    (cache / f".{split.folder.name}.0123.tmp").mkdir(parents=True)  # of a killed process
    decoding = []

    def decode() -> Iterator[Sample]:
        decoding.append(1)
        for shard in range(3):
            yield from (make_sample(shard, clip) for clip in range(4))

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: open_decoded(split, decode), range(3)))
    assert len(decoding) == 1
    assert all((frames == found[0][0]).all() for frames, _ in found)
    assert folders(cache) == [split.folder]


def test_shards_without_a_digest_cannot_be_named(cache: Path) -> None:
    with pytest.raises(InputError, match="needs the SHA-256 of each shard, and the index of a.tar"):
        DecodedSplit.of(cache, [ShardRef("a.tar", 4, 12, 3)], HALF, LABELS)
