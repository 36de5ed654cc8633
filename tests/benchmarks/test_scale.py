"""The steps of the benchmark at LRW's size run on a hundred clips, and lose none of them."""

from pathlib import Path

import pytest

from benchmarks.scale import STEPS, make_place, make_stream
from lipnet.shards.summary import read_summary
from lipnet.sources.inventory import read_inventory

COUNTS, LABELS = (60, 20, 20), 5


def test_every_step_sees_every_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = make_place(tmp_path, COUNTS, LABELS)
    monkeypatch.chdir(place.work)
    for step in STEPS.values():
        step(place)
    assert len(read_inventory(place.paths.inventory)) == 2 * sum(COUNTS)
    splits = read_summary(place.paths.shards).splits
    assert {split: own.clips for split, own in splits.items()} == dict(
        zip(("train", "val", "test"), COUNTS, strict=True)
    )
    planned = [plan for plans in make_stream(place).plan_steps(0) for plan in plans]
    assert sum(len(plan.rows_R) for plan in planned) == COUNTS[0]
