"""The facts of the quality report: all clips accounted for, checks, and the worst clips."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lipnet.quality.facts import Ranking, check_quality, list_numbers
from pipeline.params import Params
from tests.lipnet.quality.preprocessed import gather_of, prepare, use_tiny


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    return use_tiny(tmp_path, monkeypatch)


@pytest.mark.slow
def test_only_checks_that_fail_look_off(params: Params) -> None:
    quality = gather_of(params, prepare(params))
    off = {check.what for check in check_quality(quality) if not check.fine}
    assert {"clips failed", "frames interpolated"} <= off
    assert "files rejected" not in off
    bright = quality.brightness["train"]
    expected = (bright.mean - params.recipe.mean) / params.recipe.std
    assert list_numbers(quality)["normalised"]["mean"] == pytest.approx(expected, abs=1e-4)


def test_a_clip_that_is_unaccounted_for_is_an_error(params: Params) -> None:
    paths = prepare(params)
    failures = paths.shards / "failures.csv"
    failures.write_text(failures.read_text().splitlines()[0] + "\n")
    with pytest.raises(RuntimeError, match="train: 4 clips in"):
        gather_of(params, paths)


def test_the_worst_are_one_per_video() -> None:
    clips = pd.DataFrame(
        {
            "clip_id": ["a1", "a2", "b1", "c1"],
            "video": ["a", "a", "b", "c"],
            "mean": np.array([0.1, 0.2, 0.2, 0.0]),
        }
    )
    darkest = Ranking("", "", "mean", str, ascending=True)
    assert darkest.worst(clips, 9)["clip_id"].tolist() == ["c1", "a1", "b1"]
    some = Ranking("", "", "mean", str, above_zero=True)
    assert some.worst(clips, 9)["clip_id"].tolist() == ["a2", "b1"]
