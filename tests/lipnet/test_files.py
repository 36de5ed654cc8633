"""Atomic writes and digests."""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.files import digest_of, write_atomic, write_folder_atomic, write_json


def fail_inside(writing: AbstractContextManager[Path]) -> None:
    """Write half of it, then fail."""
    with writing as temporary:
        half = temporary / "half" if temporary.is_dir() else temporary
        half.write_text("half")
        raise RuntimeError


def test_a_failed_write_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "f.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError):
        fail_inside(write_atomic(target))
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_folder_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "d"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(RuntimeError):
        fail_inside(write_folder_atomic(target))
    assert [p.name for p in tmp_path.rglob("*")] == ["d", "old"]


@given(st.dictionaries(st.text(max_size=5), st.integers(), max_size=6))
def test_digests_ignore_the_order_of_keys(mapping: dict[str, int]) -> None:
    assert digest_of(mapping) == digest_of(dict(reversed(mapping.items())))


def test_equal_values_give_equal_json_bytes(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"b": 1, "a": [2.5, "é"]})
    write_json(tmp_path / "b", {"a": [2.5, "é"], "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".d.77.tmp").mkdir()
    with write_folder_atomic(tmp_path / "d") as temporary:
        (temporary / "new").touch()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d"]
