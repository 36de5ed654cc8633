"""Timings: results are returned with their seconds, and written as one line per job."""

from pathlib import Path

import pytest

from pipeline import timings
from pipeline.timings import TimedWorker, write_timings


def test_a_result_is_returned_with_its_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 12.5])
    monkeypatch.setattr(timings.time, "perf_counter", lambda: next(clock))
    assert TimedWorker(lambda: abs)(-3) == (3, 2.5)


def test_timings_are_one_line_per_job(tmp_path: Path) -> None:
    write_timings(tmp_path / "t" / "shards.csv", [("train/0", 5, 1, 1.23456), ("val/0", 2, 0, 0.0)])
    assert (tmp_path / "t" / "shards.csv").read_text().splitlines() == [
        "job,clips,failed,seconds",
        "train/0,5,1,1.235",
        "val/0,2,0,0.000",
    ]
