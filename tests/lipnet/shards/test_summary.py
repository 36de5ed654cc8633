"""The shards' summary: read back as written, and refused with one clear error if damaged."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.files import read_json, write_json
from lipnet.shards.summary import (
    ShardsSummary,
    SplitSummary,
    read_labels,
    read_summary,
    write_summary,
)
from lipnet.speakers import SpeakerOverlap
from tests.contract.imports import ROOT

COUNTS = st.integers(0, 10**6)
SUMMARIES = st.builds(
    ShardsSummary,
    fingerprint=st.text("0123456789abcdef", min_size=16, max_size=16),
    splits=st.dictionaries(
        st.sampled_from(["train", "val", "test", "unseen"]),
        st.builds(SplitSummary, COUNTS, st.dictionaries(st.text(min_size=1), COUNTS), COUNTS),
    ),
    pixel_mean=st.floats(0, 1),
    pixel_std=st.floats(0, 1),
    preprocessing=st.dictionaries(st.text(), st.integers() | st.text() | st.booleans()),
    codec=st.sampled_from(["raw", "delta"]),
    url=st.sampled_from(["", "s3://bucket/words"]),
    bytes=COUNTS,
    overlap=st.none() | st.builds(SpeakerOverlap, COUNTS, COUNTS, COUNTS),
)
SUMMARY = ShardsSummary(
    "f", {"train": SplitSummary(5, {"no_face": 2}, 1)}, 0.5, 0.2, {}, "raw", "", 9
)


@settings(max_examples=15)
@given(SUMMARIES)
def test_a_summary_is_read_back_as_written(tmp_path_factory: Any, summary: ShardsSummary) -> None:
    folder = tmp_path_factory.mktemp("shards")
    write_summary(folder, summary, ["a", "b"])
    assert read_summary(folder) == summary
    assert read_labels(folder) == ["a", "b"]


def test_the_summary_of_a_kept_study_is_read() -> None:
    kept = ROOT / "docs/results/grid_study/report"
    assert read_summary(kept).splits["test"] == SplitSummary(2700, {}, 6)
    assert len(read_labels(kept)) == 51


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fingerprint", 3),
        ("splits", []),
        ("splits", {"train": {"clips": -1, "failed": {}, "shards": 1}}),
        ("splits", {"train": {"clips": 1, "failed": {"no_face": "2"}, "shards": 1}}),
        ("pixel_mean", float("nan")),
        ("preprocessing", None),
        ("bytes", "many"),
    ],
)
def test_a_damaged_summary_is_named(tmp_path: Path, key: str, value: object) -> None:
    write_summary(tmp_path, SUMMARY, ["a"])
    found = read_json(tmp_path / "summary.json")
    assert isinstance(found, dict)
    write_json(tmp_path / "summary.json", {**found, key: value})
    with pytest.raises(InputError, match=r"summary\.json is not what the stage `shards` writes"):
        read_summary(tmp_path)
    del found[key]
    write_json(tmp_path / "summary.json", found)
    with pytest.raises(InputError, match=f"it has no {key}.*run the stage again"):
        read_summary(tmp_path)


@pytest.mark.parametrize("labels", [{}, [], ["a", 1], ["a", "a"]])
def test_damaged_labels_are_named(tmp_path: Path, labels: object) -> None:
    write_json(tmp_path / "labels.json", labels)
    with pytest.raises(InputError, match=r"labels\.json is not what the stage `shards` writes"):
        read_labels(tmp_path)


def test_missing_shards_are_named(tmp_path: Path) -> None:
    for read in (read_summary, read_labels):
        with pytest.raises(InputError, match="no shards in .*: run the stage `shards` first"):
            read(tmp_path)
    (tmp_path / "summary.json").write_text("{half")
    with pytest.raises(InputError, match="run the stage again"):
        read_summary(tmp_path)
