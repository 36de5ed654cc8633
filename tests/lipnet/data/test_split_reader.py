"""Every clip that is read from a split is checked: its bytes, its label, its word, and once."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import fsspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.data.loader import open_split, ordered
from lipnet.data.shrink import Shrink
from lipnet.data.split_reader import SplitReader
from lipnet.errors import InputError
from lipnet.files import write_json
from lipnet.shards.index import ShardIndex, write_index
from lipnet.shards.meta import ClipMeta
from lipnet.shards.storage import list_shards
from lipnet.shards.tar import write_shard

LABELS = ["bark", "lot", "million"]
FRAMES, SIZE = 5, 4
MEMORY, STREAM = 1.0, 1e-9
CLIP_ID = st.sampled_from("abcdef")


@pytest.fixture(autouse=True, scope="module")
def no_fsync() -> Iterator[None]:
    """Hundreds of small shards are written here, and none has to outlive the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lipnet.files.os.fsync", lambda _: None)
        yield


def write_split(folder: Path, shards: Sequence[Sequence[ClipMeta]]) -> None:
    """One shard for each list of clips, with intact indexes."""
    write_json(folder / "labels.json", LABELS)
    crops_THW = np.arange(FRAMES * SIZE**2, dtype=np.uint8).reshape(FRAMES, SIZE, SIZE)
    for number, metas in enumerate(shards):
        tar = folder / "train" / f"{number:06d}.tar"
        contents = write_shard(tar, ((crops_THW, meta) for meta in metas))
        write_index(tar.with_suffix(".json"), ShardIndex(f"train/{tar.stem}", contents))


def read_labels(folder: Path, memory_gib: float) -> list[str]:
    """The labels of all clips, read as training reads them."""
    clips = open_split(folder, "train", shrink=Shrink(SIZE, SIZE), memory_gib=memory_gib)
    return [LABELS[k] for batch in ordered(clips, 2) for k in batch.labels_B.tolist()]


def meta(name: str = "a", label_index: int = 1) -> ClipMeta:
    return ClipMeta(name, LABELS[label_index], label_index, 1, 4)


@pytest.mark.parametrize("memory_gib", [MEMORY, STREAM], ids=["memory", "stream"])
@settings(max_examples=30)
@given(data=st.data())
def test_a_changed_byte_of_a_local_shard_never_reaches_training(
    data: st.DataObject, memory_gib: float
) -> None:
    with TemporaryDirectory() as place:
        write_split(Path(place), [[meta("a", 0), meta("b", 2)]])
        tar = Path(place, "train/000000.tar")
        damaged = bytearray(tar.read_bytes())
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
        tar.write_bytes(damaged)
        with pytest.raises(InputError, match=r"000000\.tar is damaged \(its SHA-256"):
            read_labels(Path(place), memory_gib)


def test_a_shard_that_changes_after_it_was_read_is_hashed_again(tmp_path: Path) -> None:
    write_split(tmp_path, [[meta("a", 0), meta("b", 2)]])
    clips = open_split(tmp_path, "train", shrink=Shrink(SIZE, SIZE), memory_gib=STREAM)
    assert len(list(ordered(clips, 1))) == 2
    changed = tmp_path / "changed.tar"
    content = bytearray((tmp_path / "train/000000.tar").read_bytes())
    content[600] ^= 1
    changed.write_bytes(content)
    changed.replace(tmp_path / "train/000000.tar")
    with pytest.raises(InputError, match="is damaged"):
        list(ordered(clips, 1))


@settings(max_examples=60)
@given(
    label=st.sampled_from([*LABELS, "", "BARK"]),
    index=st.integers(0, 5),
    first=st.integers(0, 7),
    last=st.integers(0, 7),
)
def test_a_clip_has_a_label_of_the_profile_and_its_word_in_its_frames(
    label: str, index: int, first: int, last: int
) -> None:
    own = ClipMeta("a", label, index, first, last)
    valid = LABELS[index : index + 1] == [label] and 0 <= first < last <= FRAMES
    with TemporaryDirectory() as place:
        write_split(Path(place), [[own]])
        if valid:
            assert read_labels(Path(place), MEMORY) == [label]
            return
        with pytest.raises(InputError, match=r"clip a.*run the stage shards again"):
            read_labels(Path(place), MEMORY)


@pytest.mark.parametrize("memory_gib", [MEMORY, STREAM], ids=["memory", "stream"])
@settings(max_examples=20)
@given(names=st.lists(st.lists(CLIP_ID, min_size=1, max_size=3), min_size=1, max_size=3))
def test_no_clip_is_read_twice(names: list[list[str]], memory_gib: float) -> None:
    listed = sum(names, [])
    with TemporaryDirectory() as place:
        write_split(Path(place), [[meta(name) for name in shard] for shard in names])
        if len(set(listed)) == len(listed):
            assert len(read_labels(Path(place), memory_gib)) == len(listed)
            return
        with pytest.raises(InputError, match=r"clip [a-f] is in .*run the stage shards again"):
            read_labels(Path(place), memory_gib)


@pytest.mark.parametrize("place", ["file", "url", "file of no digest"])
def test_rows_of_a_shard_are_its_clips_of_these_numbers(place: str, tmp_path: Path) -> None:
    write_split(tmp_path, [[meta("a", 0), meta("long" * 40), meta("c", 2)]])
    (ref,) = list_shards(tmp_path, "train")
    if place == "url":
        url, content = f"memory://{uuid4().hex}/0.tar", Path(ref.location).read_bytes()
        fsspec.filesystem("memory").pipe_file(url, content)
        ref = replace(ref, location=url)
    elif place == "file of no digest":
        ref = replace(ref, sha256="")
    reader = SplitReader(LABELS)
    whole = list(SplitReader(LABELS).read(ref))
    for rows in ([2, 1], [0], [], [1, 2]):
        assert list(reader.read(ref, rows)) == [whole[row] for row in rows]
    assert reader.read_metas(ref) == [clip.meta for clip in whole]


def test_clips_are_checked_without_being_asked_for(tmp_path: Path) -> None:
    write_split(tmp_path, [[meta("a"), meta("b", 2)], [meta("c"), meta("a")]])
    first, second = list_shards(tmp_path, "train")
    with pytest.raises(InputError, match="clip b in .* has the label 'million'"):
        list(SplitReader(LABELS[:2]).read(first, [0]))
    reader = SplitReader(LABELS)
    assert len(list(reader.read(first, [1]))) == 1
    with pytest.raises(InputError, match="clip a is in"):
        list(reader.read(second, [0]))
    with pytest.raises(InputError, match="holds 2 clips, but its index lists 3"):
        list(SplitReader(LABELS).read(replace(first, clips=3), [0]))


def test_a_shard_of_no_known_digest_may_change_between_reads(tmp_path: Path) -> None:
    write_split(tmp_path, [[meta("a"), meta("b")]])
    ref = replace(list_shards(tmp_path, "train")[0], sha256="", bytes=-1)
    reader = SplitReader(LABELS)
    assert [clip.meta.clip_id for clip in reader.read(ref, [1])] == ["b"]
    write_split(tmp_path, [[meta("long" * 40), meta("d")]])
    assert [clip.meta.clip_id for clip in reader.read(ref, [1])] == ["d"]


def test_a_shard_is_read_again_in_a_later_epoch(tmp_path: Path) -> None:
    write_split(tmp_path, [[meta("a")], [meta("b")]])
    reader = SplitReader(LABELS)
    for _ in range(2):
        assert [len(list(reader.read(ref))) for ref in list_shards(tmp_path, "train")] == [1, 1]


def test_two_indexes_of_one_shard_are_named(tmp_path: Path) -> None:
    write_split(tmp_path, [[meta("a")], [meta("b")]])
    first, second = (tmp_path / f"train/00000{n}.json" for n in (0, 1))
    text = first.read_text(encoding="utf-8").replace('"url": ""', '"url": "s3://bucket/a.tar"')
    for path in (first, second):
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"s3://bucket/a\.tar is the shard of several indexes"):
        list_shards(tmp_path, "train")
