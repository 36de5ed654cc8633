"""Outputs move into place complete and without leftovers, or not at all."""

import os
from pathlib import Path

import pytest

from pipeline.outputs import EarlierJobs, move_into_place, write_failures


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def files_of(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_only_the_named_files_move_and_old_outputs_go(tmp_path: Path) -> None:
    state, place = tmp_path / "tmp" / "state", tmp_path / "data" / "place"
    write(state, "train/0.tar", "summary.json", "train/9.tar", "other/1.tar", ".0.tar.77.tmp")
    write(place, "old.tar", "train/0.tar")
    move_into_place(state, place, ["train/0.tar", "summary.json"])
    assert files_of(place) == ["summary.json", "train", "train/0.tar"]
    assert not state.exists()


def test_a_missing_file_is_named_and_nothing_moves(tmp_path: Path) -> None:
    state, place = tmp_path / "state", tmp_path / "place"
    write(state, "0.tar", "leftover")
    write(place, "old.tar")
    with pytest.raises(RuntimeError, match=r"files are missing: .*state/1\.tar"):
        move_into_place(state, place, ["0.tar", "1.tar"])
    assert files_of(state) == ["0.tar", "leftover"]
    assert files_of(place) == ["old.tar"]


def test_a_job_is_earlier_if_its_index_was_there_and_is_not_written_again(tmp_path: Path) -> None:
    write(tmp_path, "train/0.json", "train/1.json")
    earlier = EarlierJobs(tmp_path, ["train/0", "train/1", "train/2"])
    os.utime(tmp_path / "train/1.json", (1, 1))
    write(tmp_path, "train/2.json")
    assert [f"train/{n}" in earlier for n in range(3)] == [True, False, False]


def test_failures_are_sorted_so_that_their_order_does_not_matter(tmp_path: Path) -> None:
    rows = [{"clip": "b", "why": 'a "quote", a comma'}, {"clip": "a", "why": "x"}]
    for name, order in (("one", rows), ("two", rows[::-1])):
        write_failures(tmp_path / name, ("clip", "why"), order)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one").read_text() == 'clip,why\na,x\nb,"a ""quote"", a comma"\n'
