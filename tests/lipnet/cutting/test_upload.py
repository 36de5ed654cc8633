"""Keeping shards: uploaded whole, found again anywhere, never replaced, read where they are."""

from pathlib import Path
from uuid import uuid4

import fsspec
import numpy as np
import pytest

from lipnet.cutting.upload import UrlKeeper, check_url, make_keeper, resolve_url
from lipnet.errors import InputError
from lipnet.shards.index import ShardIndex
from lipnet.shards.storage import list_shards
from lipnet.shards.table import read_table
from lipnet.shards.tar import read_clip, read_shard, write_shard
from tests.lipnet.shards.test_tar import samples

FAR = ("path", "memory", "s3")


def locate(kind: str, request: pytest.FixtureRequest) -> str:
    if kind == "s3":
        return f"{request.getfixturevalue('bucket')}/words"
    folder: Path = request.getfixturevalue("tmp_path")
    return {"": "", "path": str(folder / "far"), "memory": f"memory://{uuid4().hex}"}[kind]


@pytest.fixture(params=["", *FAR])
def url(request: pytest.FixtureRequest) -> str:
    """Somewhere to keep shards; empty: where they were made."""
    return locate(request.param, request)


@pytest.fixture(params=FAR)
def far(request: pytest.FixtureRequest) -> str:
    """Somewhere else."""
    return locate(request.param, request)


def make(folder: Path, url: str, fingerprint: str = "f1", count: int = 3) -> ShardIndex:
    """What a cutter does: find, else write and keep."""
    keeper = make_keeper(folder, url)
    found = keeper.find("train/000000", fingerprint)
    if found is not None:
        return found
    contents = write_shard(folder / "train/000000.tar", samples(count))
    return keeper.keep(ShardIndex("train/000000", contents, fingerprint))


@pytest.mark.slow
def test_a_kept_shard_is_listed_and_read_where_it_is(tmp_path: Path, url: str) -> None:
    index = make(tmp_path / "a", url)
    [ref] = list_shards(tmp_path / "a", "train")
    assert (ref.clips, ref.bytes) == (3, index.contents.bytes)
    assert ref.location.startswith(url or str(tmp_path))
    assert (tmp_path / "a/train/000000.tar").exists() == (not url)
    for (crops, meta), (kept, known) in zip(samples(), read_shard(ref), strict=True):
        np.testing.assert_array_equal(crops, kept)
        assert meta == known
    last = read_table(tmp_path / "a/train/000000.csv")[2]
    np.testing.assert_array_equal(read_clip(ref, last)[0], samples()[2][0])


def test_a_finished_shard_is_found_by_its_fingerprint_alone(tmp_path: Path, url: str) -> None:
    index = make(tmp_path / "a", url)
    keeper = make_keeper(tmp_path / "a", url)
    assert keeper.find("train/000000", "f1") == index
    assert keeper.find("train/000000", "f2") is None
    assert keeper.find("train/000001", "f1") is None


def test_shards_at_a_url_are_found_from_an_empty_folder(tmp_path: Path, far: str) -> None:
    index = make(tmp_path / "a", far)
    assert make_keeper(tmp_path / "b", far).find("train/000000", "f1") == index
    for name in ("train/000000.json", "train/000000.csv"):
        assert (tmp_path / "b" / name).read_bytes() == (tmp_path / "a" / name).read_bytes()


def test_a_newer_shard_leaves_the_older_index_valid(tmp_path: Path, far: str) -> None:
    make(tmp_path / "a", far)
    make(tmp_path / "b", far, fingerprint="f2", count=2)
    [older], [newer] = (list_shards(tmp_path / name, "train") for name in "ab")
    assert (len(list(read_shard(older))), len(list(read_shard(newer)))) == (3, 2)


@pytest.mark.parametrize("lost", ["tar", "csv", "json"])
def test_a_shard_that_is_not_whole_is_not_found(tmp_path: Path, url: str, lost: str) -> None:
    index = make(tmp_path / "a", url)
    folder = tmp_path / ("b" if url else "a")  # from elsewhere: the files here do not help
    if url:
        filesystem, path = fsspec.url_to_fs(index.url)
        filesystem.rm_file(f"{path.removesuffix('tar')}{lost}")
    else:
        (folder / f"train/000000.{lost}").unlink()
    assert make_keeper(folder, url).find("train/000000", "f1") is None
    assert make(folder, url) == index
    assert make_keeper(tmp_path / "c", url).find("train/000000", "f1") == (index if url else None)


@pytest.mark.parametrize("harm", ["cut", "changed", "gone"])
def test_damage_at_a_url_is_named(tmp_path: Path, far: str, harm: str) -> None:
    index = make(tmp_path / "a", far)
    filesystem, path = fsspec.url_to_fs(index.url)
    whole = bytearray(filesystem.cat_file(path))
    whole[700] ^= 1
    if harm == "gone":
        filesystem.rm_file(path)
    else:
        filesystem.pipe_file(path, bytes(whole if harm == "changed" else whole[:-512]))
    [ref] = list_shards(tmp_path / "a", "train")
    with pytest.raises(InputError, match=r"no shard at|is damaged"):
        list(read_shard(ref))


def test_an_interrupted_upload_is_not_found(
    tmp_path: Path, far: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    put = UrlKeeper._put

    def break_off(self: UrlKeeper, local: Path, name: str) -> None:
        calls.append(name)
        if len(calls) == 3:
            raise ConnectionResetError("the network went")
        put(self, local, name)

    monkeypatch.setattr(UrlKeeper, "_put", break_off)
    with pytest.raises(ConnectionResetError):
        make(tmp_path / "a", far)
    assert [name.rpartition(".")[2] for name in calls] == ["tar", "csv", "json"]
    monkeypatch.undo()
    assert make_keeper(tmp_path / "a", far).find("train/000000", "f1") is None
    assert list_shards(tmp_path / "a", "train") == []


@pytest.mark.parametrize("half", ["put_file", "mv"])
def test_a_path_never_shows_half_an_upload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: str
) -> None:
    url = str(tmp_path / "far")

    def fail(self: object, source: str, target: str, **_: object) -> None:
        if half == "put_file":
            Path(target).write_bytes(b"half")
        raise OSError("the disk went")

    monkeypatch.setattr(fsspec.implementations.local.LocalFileSystem, half, fail)
    with pytest.raises(OSError, match="the disk went"):
        make(tmp_path / "a", url)
    assert not [path for path in Path(url).rglob("*") if path.suffix in (".tar", ".json")]


def test_a_missing_bucket_is_reported_before_the_work(bucket: str) -> None:
    check_url(f"{bucket}/deep/below")
    assert fsspec.filesystem("s3").find(bucket.removeprefix("s3://")) == []
    with pytest.raises(InputError, match=r"s3://no-such-bucket cannot be written to"):
        check_url("s3://no-such-bucket")


@pytest.mark.parametrize(
    ("url", "words"), [("nosuch://x", "cannot hold shards"), ("s3a+x://b", "cannot hold")]
)
def test_an_unknown_kind_of_url_is_named(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_url(url)


def test_a_password_may_not_get_into_the_indexes() -> None:
    with pytest.raises(InputError, match="holds a password"):
        resolve_url("sftp://me:secret@host/clips")
    assert resolve_url("s3://bucket/clips") == "s3://bucket/clips"
    assert resolve_url("far/away") == str(Path("far/away").absolute())
    assert resolve_url("") == ""
