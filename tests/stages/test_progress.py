"""What is written of a training while it runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from lipnet.lineage.generation import TrainingFacts
from lipnet.recipe import Recipe
from lipnet.train.history import EpochRecord
from pipeline.trainings import add_up_epochs
from stages import progress
from stages.progress import ModelProgress
from tests.stages.working import Untracked

FACTS = TrainingFacts("resnet18 + mstcn_3x", Recipe(epochs=2, batch=4), None, "a" * 16)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


def train(place: Path, first_step: int, epochs: range, monkeypatch: pytest.MonkeyPatch) -> None:
    """Report epochs of three steps of a second each, the first from `first_step` on."""
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    tracked: Any = Untracked("tiny", None)
    own = ModelProgress("a-g0", FACTS, tracked, place)
    for epoch in epochs:
        for step in range(first_step if epoch == epochs.start else 0, 3):
            clock.now += 1
            own.on_batch(4 * (step + 1), 12)
        own.on_epoch(EpochRecord(epoch, 1e-3, 1.0, 1.0, 0.0, 1.0, 0.5, 0.9, True))
    own.finish()


def read_seconds(lines: Path) -> list[float | None]:
    return [json.loads(line)["epoch_seconds"] for line in lines.read_text().splitlines()]


def test_the_seconds_of_epochs_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = tmp_path / "progress.jsonl"
    train(lines, 0, range(2), monkeypatch)
    assert read_seconds(lines) == [3, 3]
    assert add_up_epochs(lines, FACTS.fingerprint, 2) == 6
    written = [json.loads(line) for line in lines.read_text().splitlines()]
    assert {own["epochs"] for own in written} == {FACTS.recipe.epochs}


@pytest.mark.parametrize("first_step", [1, 2])
def test_an_epoch_that_was_interrupted_has_no_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_step: int
) -> None:
    lines = tmp_path / "progress.jsonl"
    train(lines, 0, range(1), monkeypatch)
    train(lines, first_step, range(1, 2), monkeypatch)
    assert read_seconds(lines) == [
        3,
        None,
    ]
    assert add_up_epochs(lines, FACTS.fingerprint, 2) is None
