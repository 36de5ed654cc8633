"""Shards: equal bytes, exact statistics, readable by webdataset, and never half of one."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lipnet.errors import InputError
from lipnet.shards.codec import Crops, decode_member
from lipnet.shards.index import ShardIndex, pixel_stats, write_index
from lipnet.shards.meta import ClipMeta
from lipnet.shards.storage import ShardRef
from lipnet.shards.table import read_table
from lipnet.shards.tar import read_clip, read_shard, write_shard


def samples(count: int = 3) -> list[tuple[Crops, ClipMeta]]:
    draw = np.random.default_rng(5)
    return [
        (
            draw.integers(0, 256, (4 + i, 8, 8), np.uint8),
            ClipMeta(f"s1/bbaf2n/{i}-blue", "blue", 0, i, i + 2, speaker="s1"),
        )
        for i in range(count)
    ]


@pytest.mark.parametrize("codec", ["raw", "delta", "png"])
def test_clips_are_read_back_as_written(tmp_path: Path, codec: str) -> None:
    contents = write_shard(tmp_path / "a.tar", samples(), codec)
    for (crops, meta), (kept, known) in zip(samples(), read_shard(tmp_path / "a.tar"), strict=True):
        np.testing.assert_array_equal(crops, kept)
        assert meta == known
    assert (contents.clips, contents.frames, contents.labels) == (3, 15, {"blue": 3})
    assert contents.bytes == (tmp_path / "a.tar").stat().st_size


def test_a_clip_is_read_alone_by_the_table_of_its_shard(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", samples())
    table = read_table(tmp_path / "a.csv")
    assert [row.frames for row in table] == [4, 5, 6]
    for (crops, meta), row in zip(samples(), table, strict=True):
        kept, known = read_clip(ShardRef.of_file(tmp_path / "a.tar"), row)
        np.testing.assert_array_equal(crops, kept)
        assert meta == known
        assert (row.mean, row.std) == pytest.approx((crops.mean() / 255, crops.std() / 255), 1e-5)
    with pytest.raises(InputError, match=r"s1/bbaf2n/1-blue is not at byte 0"):
        read_clip(ShardRef.of_file(tmp_path / "a.tar"), replace(table[1], offset=0))


def test_equal_clips_give_equal_bytes(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", samples())
    code = (
        "import sys; from pathlib import Path; from tests.lipnet.shards.test_tar import samples;"
        "from lipnet.shards.tar import write_shard; write_shard(Path(sys.argv[1]), samples())"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "b.tar")], check=True)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_an_actor_that_writes_shards_imports_neither_torch_nor_pandas() -> None:
    code = (
        "import sys, lipnet.cutting.cut, lipnet.landmarks.store, cluster.pool;"
        "sys.exit(bool({'torch', 'pandas', 'ray'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # webdataset leaves its file to the collector
@pytest.mark.parametrize(("codec", "member"), [("delta", "crops.delta"), ("raw", "crops.npy")])
def test_webdataset_reads_the_same_clips(tmp_path: Path, codec: str, member: str) -> None:
    import webdataset

    write_shard(tmp_path / "a.tar", samples(), codec)
    shard = webdataset.WebDataset(str(tmp_path / "a.tar"), shardshuffle=False)
    read = list(shard.decode(decode_member))
    assert [clip["__key__"] for clip in read] == [meta.clip_id for _, meta in samples()]
    for (crops, meta), clip in zip(samples(), read, strict=True):
        np.testing.assert_array_equal(clip[member], crops)
        assert ClipMeta(**clip["json"]) == meta


def test_an_error_midway_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> list[tuple[Crops, ClipMeta]]:
        raise OSError("disk")

    def one_then_error():  # type: ignore[no-untyped-def]
        yield from samples(1)
        yield from broken()

    with pytest.raises(OSError, match="disk"):
        write_shard(tmp_path / "a.tar", one_then_error())
    assert list(tmp_path.iterdir()) == []


def test_a_key_may_not_hold_a_dot(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"clip id 'a\.b' must not be empty or contain a dot"):
        write_shard(tmp_path / "a.tar", [(samples(1)[0][0], ClipMeta("a.b", "x", 0, 0, 1))])


def test_pixel_statistics_are_exact_over_shards(tmp_path: Path) -> None:
    all_samples = samples(4)
    parts = [
        write_shard(tmp_path / "a.tar", all_samples[:1]),
        write_shard(tmp_path / "b.tar", all_samples[1:]),
    ]
    pixels = np.concatenate([crops.ravel() for crops, _ in all_samples]) / 255
    stats = pixel_stats(parts)
    assert stats.mean == pytest.approx(pixels.mean(), abs=1e-6)
    assert stats.std == pytest.approx(pixels.std(), abs=1e-6)


def test_every_cut_of_a_shard_is_noticed(tmp_path: Path) -> None:
    contents = write_shard(tmp_path / "a.tar", samples())
    whole = (tmp_path / "a.tar").read_bytes()
    write_index(tmp_path / "a.json", ShardIndex("train/a", contents))
    for size in range(0, len(whole), 256):
        (tmp_path / "a.tar").write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"a\.tar is damaged"):
            list(read_shard(tmp_path / "a.tar"))


def test_damage_inside_and_a_missing_shard_are_named(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", samples())
    whole = bytearray((tmp_path / "a.tar").read_bytes())
    whole[100:140] = b"x" * 40
    (tmp_path / "a.tar").write_bytes(whole)
    with pytest.raises(InputError, match=r"a\.tar is damaged"):
        list(read_shard(tmp_path / "a.tar"))
    with pytest.raises(InputError, match=r"no shard at .*b\.tar"):
        list(read_shard(tmp_path / "b.tar"))
