"""Keeping shards: put whole, found again anywhere, replaced by nothing, read where they lie."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import numpy as np
import pytest

from lipnet.errors import InputError
from lipnet.shards.storage import list_shards
from lipnet.shards.tar import facts_as_json, read_clip, read_shard, read_table, write_shard
from lipnet.shards.upload import UrlKeeper, check_url, make_keeper, resolve_url
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


def make(folder: Path, url: str, fingerprint: str = "f1", count: int = 3) -> dict[str, Any]:
    """What a cutter does: look, else write and keep."""
    keeper = make_keeper(folder, url)
    found = keeper.find("train/000000", fingerprint)
    if found is not None:
        return found
    facts = facts_as_json(write_shard(folder / "train/000000.tar", samples(count)))
    failures: list[dict[str, str]] = []
    return keeper.keep(
        {"name": "train/000000", "fingerprint": fingerprint, "failures": failures, **facts}
    )


def test_a_kept_shard_is_listed_and_read_where_it_lies(tmp_path: Path, url: str) -> None:
    record = make(tmp_path / "a", url)
    [ref] = list_shards(tmp_path / "a", "train")
    assert (ref.clips, ref.bytes) == (3, record["bytes"])
    assert ref.place.startswith(url or str(tmp_path))
    assert (tmp_path / "a/train/000000.tar").exists() == (not url)
    for (crops, meta), (kept, known) in zip(samples(), read_shard(ref), strict=True):
        np.testing.assert_array_equal(crops, kept)
        assert meta == known
    last = read_table(tmp_path / "a/train/000000.csv")[2]
    np.testing.assert_array_equal(read_clip(ref, last)[0], samples()[2][0])


def test_a_finished_shard_is_found_by_its_fingerprint_alone(tmp_path: Path, url: str) -> None:
    record = make(tmp_path / "a", url)
    keeper = make_keeper(tmp_path / "a", url)
    assert keeper.find("train/000000", "f1") == record
    assert keeper.find("train/000000", "f2") is None
    assert keeper.find("train/000001", "f1") is None


def test_what_lies_at_a_url_is_found_from_an_empty_folder(tmp_path: Path, far: str) -> None:
    record = make(tmp_path / "a", far)
    assert make_keeper(tmp_path / "b", far).find("train/000000", "f1") == record
    for name in ("train/000000.json", "train/000000.csv"):
        assert (tmp_path / "b" / name).read_bytes() == (tmp_path / "a" / name).read_bytes()


def test_a_newer_shard_leaves_the_older_index_true(tmp_path: Path, far: str) -> None:
    make(tmp_path / "a", far)
    make(tmp_path / "b", far, fingerprint="f2", count=2)
    [older], [newer] = (list_shards(tmp_path / name, "train") for name in "ab")
    assert (len(list(read_shard(older))), len(list(read_shard(newer)))) == (3, 2)


@pytest.mark.parametrize("lost", ["tar", "csv", "json"])
def test_a_shard_that_is_not_whole_is_no_shard(tmp_path: Path, url: str, lost: str) -> None:
    record = make(tmp_path / "a", url)
    folder = tmp_path / ("b" if url else "a")  # from elsewhere: what lies here does not help
    if url:
        filesystem, path = fsspec.url_to_fs(record["url"])
        filesystem.rm_file(f"{path.removesuffix('tar')}{lost}")
    else:
        (folder / f"train/000000.{lost}").unlink()
    assert make_keeper(folder, url).find("train/000000", "f1") is None
    assert make(folder, url) == record
    assert make_keeper(tmp_path / "c", url).find("train/000000", "f1") == (record if url else None)


@pytest.mark.parametrize("harm", ["cut", "changed", "gone"])
def test_damage_at_a_url_is_named(tmp_path: Path, far: str, harm: str) -> None:
    record = make(tmp_path / "a", far)
    filesystem, path = fsspec.url_to_fs(record["url"])
    whole = bytearray(filesystem.cat_file(path))
    whole[700] ^= 1
    if harm == "gone":
        filesystem.rm_file(path)
    else:
        filesystem.pipe_file(path, bytes(whole if harm == "changed" else whole[:-512]))
    [ref] = list_shards(tmp_path / "a", "train")
    with pytest.raises(InputError, match=r"no shard at|is damaged"):
        list(read_shard(ref))


def test_an_upload_that_breaks_off_leaves_nothing_that_counts(
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


def test_a_bucket_that_is_not_there_is_told_before_the_work(bucket: str) -> None:
    check_url(f"{bucket}/deep/below")
    assert fsspec.filesystem("s3").find(bucket.removeprefix("s3://")) == []
    with pytest.raises(InputError, match=r"s3://no-such-bucket cannot be written to"):
        check_url("s3://no-such-bucket")


@pytest.mark.parametrize(
    ("url", "words"), [("nosuch://x", "no place for shards"), ("s3a+x://b", "no place")]
)
def test_an_unknown_kind_of_url_is_named(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_url(url)


def test_a_password_may_not_get_into_the_indexes() -> None:
    with pytest.raises(InputError, match="host holds a password"):
        resolve_url("sftp://me:secret@host/clips")
    assert resolve_url("s3://bucket/clips") == "s3://bucket/clips"
    assert resolve_url("far/away") == str(Path("far/away").absolute())
    assert resolve_url("") == ""
