"""The steps of the benchmark at LRW's size run on a hundred clips, and lose none of them."""

from pathlib import Path

import pytest

from benchmarks import scale_study
from benchmarks.scale import MAKING, STEPS, Place, choose_steps, make_corpus, make_stream
from lipnet.shards.summary import read_summary
from lipnet.sources.inventory import read_inventory

COUNTS, LABELS = (60, 20, 20), 5


# These start DVC or Prefect, or draw for seconds.
SLOW = ("dvc commit", "dvc status", "preflight", "flow: graph and walk", "select and report")


def test_every_step_sees_every_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path / "corpus", tmp_path / "work")
    make_corpus(place.corpus, COUNTS, LABELS)
    place.work.mkdir()
    monkeypatch.chdir(place.work)
    measured = []
    monkeypatch.setattr(
        scale_study, "write_quality", lambda folder, quality: measured.append(len(quality.clips))
    )
    for name, step in STEPS.items():
        if name not in SLOW:
            step(place)
    assert measured == [sum(COUNTS)]
    assert len(list(place.paths.study.logits_test.rglob("*.test.npz"))) == 8
    assert len(read_inventory(place.paths.inventory)) == 2 * sum(COUNTS)
    splits = read_summary(place.paths.shards).splits
    assert {split: own.clips for split, own in splits.items()} == dict(
        zip(("train", "val", "test"), COUNTS, strict=True)
    )
    planned = [plan for plans in make_stream(place).plan_steps(0) for plan in plans]
    assert sum(len(plan.rows_R) for plan in planned) == COUNTS[0]


def test_chosen_steps_come_with_what_they_need() -> None:
    assert choose_steps([""]) == list(STEPS)
    assert choose_steps(["status"]) == [*MAKING, "dvc commit", "dvc status"]
