"""The baseline of loading gives the same batches as ours, and both benchmarks print tables."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from benchmarks import loader, plain_data, training
from benchmarks.clips import FRAMES
from benchmarks.loader import check_same, write_split
from benchmarks.plain_data import CROP, write_npz
from benchmarks.worker import WorkerProcess
from lipnet.shards.codec import Crops

Printed = pytest.CaptureFixture[str]
NO_GRID = ["--grid", "/nowhere"]


@pytest.fixture
def corpus(tmp_path: Path) -> tuple[Path, list[Crops]]:
    """Seven clips of noise, as shards and as the files of the plain implementation."""
    noise = np.random.default_rng(1).integers(0, 256, (7, FRAMES, CROP, CROP), np.uint8)
    write_split(tmp_path / "raw", list(noise), "raw")
    write_npz(tmp_path, list(noise))
    return tmp_path, list(noise)


def test_the_plain_implementation_gives_the_same_batches(corpus: tuple[Path, list[Crops]]) -> None:
    check_same(*corpus, batch=4)


def test_different_batches_stop_the_benchmark(
    corpus: tuple[Path, list[Crops]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_data, "MEAN", 0.422)
    with pytest.raises(SystemExit, match="different batches"):
        check_same(*corpus, batch=4)


def count_up() -> "Counting":
    return Counting()


class Counting:
    """Returns how often it has been called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        return self.calls


@pytest.mark.slow
def test_a_worker_process_builds_once_and_runs_at_each_call() -> None:
    with WorkerProcess(count_up) as count:
        assert [count(), count(), count()] == [1, 2, 3]


class InThisProcess:
    """A WorkerProcess without a process, which would import torch again."""

    def __init__(self, make: Callable[..., Callable[[], object]], *arguments: object) -> None:
        self._work = make(*arguments)

    def __call__(self) -> object:
        return self._work()

    def __enter__(self) -> "InThisProcess":
        return self

    def __exit__(self, *_: object) -> None:
        return


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "options", "rows"),
    [
        (loader, ["--videos", "3", "--rounds", "1"], [re.escape(way) for way in loader.WAYS]),
        (
            training,
            [
                *("--models", training.STUDENT, "--steps", "2", "--batch", "2"),
                *("--repeats", "1", "--loaders", "0"),
            ],
            [re.escape(training.STUDENT) + r" +\d", *training.TEACHING],
        ),
    ],
)
def test_a_table_has_its_rows(
    script: ModuleType,
    options: list[str],
    rows: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Printed,
) -> None:
    monkeypatch.setattr(script, "WorkerProcess", InThisProcess)
    monkeypatch.setattr(training, "TEACHER", training.STUDENT)  # a large one proves no more
    monkeypatch.setattr(sys, "argv", ["benchmark", *options, *NO_GRID])
    script.main()
    printed = capsys.readouterr().out
    assert "load average" in printed
    for row in rows:
        assert re.search(rf"^{row}.* \d+\.\d+-\d+\.\d+", printed, re.MULTILINE), printed
