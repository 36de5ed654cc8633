"""A shard's index: read back as written, found only by its fingerprint, damage named."""

from pathlib import Path

import pytest

from lipnet.errors import InputError
from lipnet.files import read_json, write_json
from lipnet.shards.index import (
    ClipFailure,
    ShardContents,
    ShardIndex,
    find_index,
    read_index,
    write_index,
)

CONTENTS = ShardContents(2, 9, 5, 90, 4000, 400_000, 1024, "ab" * 32, "delta", {"blue": 2})
INDEX = ShardIndex(
    "train/000000",
    CONTENTS,
    "f1",
    {"codec": "delta"},
    (ClipFailure("x", "no_face", "none"), ClipFailure("y", "missing", "")),
    "s3://bucket/a.tar",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_index(tmp_path / "a.json", INDEX)
    return tmp_path / "a.json"


def test_an_index_is_read_back_as_written(path: Path) -> None:
    assert read_index(path) == INDEX
    assert (INDEX.split, INDEX.failed) == ("train", {"missing": 1, "no_face": 1})


def test_an_index_is_found_by_its_fingerprint_alone(path: Path) -> None:
    assert find_index(path, "f1") == INDEX
    assert find_index(path, "f2") is None
    assert find_index(path.with_name("b.json"), "f1") is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("clips", "2"),
        ("bytes", -1),
        ("labels", {"blue": 0.5}),
        ("failures", [{}]),
        ("url", None),
        ("clips", 3),
        ("frames", 1),
        ("frames", 91),
        ("longest", 4),
        ("longest", 10),
        ("pixels", 8),
        ("pixel_sum", 22_951),
        ("pixel_square_sum", 3_999),
        ("pixel_square_sum", 1_020_001),
        ("sha256", ""),
        ("sha256", "AB" * 32),
        ("labels", {"blue": 1}),
    ],  # fmt: skip
)
def test_a_damaged_index_is_named_and_not_found(path: Path, key: str, value: object) -> None:
    found = read_json(path)
    assert isinstance(found, dict)
    write_json(path, {**found, key: value})
    with pytest.raises(InputError, match=r"a\.json is not the index of a shard"):
        read_index(path)
    assert find_index(path, "f1") is None
