"""Context curves and robustness: kept apart from what DVC tracks, in the page and in cards."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lipnet.errors import InputError
from lipnet.inference.conditions import ROBUSTNESS, Condition, ConditionScore
from lipnet.inference.evaluate_shards import ShardEvaluation
from lipnet.lineage.generation import read_generation, write_generation
from lipnet.measure.accuracy import Estimate
from lipnet.report import latencies
from lipnet.report.conditions import CONTEXTS, MeasuredModel, measure_conditions, read_conditions
from lipnet.report.conditions_page import describe_model_conditions
from lipnet.report.keep import keep_study
from lipnet.report.leaderboard import write_leaderboard
from lipnet.report.rows import LeaderboardRow
from lipnet.report.saved import read_results_rows
from lipnet.report.study import Study

MODEL = "small-by-big-g1"


def evaluate_falling(
    weights: Path, shards: Path, split: str, conditions: list[Condition]
) -> ShardEvaluation:
    """0.8, and a hundredth less for each condition after the other."""
    values = [0.8 - 0.01 * (number + 1) for number in range(len(conditions))]
    scores = [
        ConditionScore(own.name, own.kind, 7.25, estimate(value), estimate(value - 0.8))
        for own, value in zip(conditions, values, strict=True)
    ]
    return ShardEvaluation(split, 29.0, estimate(0.8), scores)


def estimate(value: float) -> Estimate:
    return Estimate(value, value - 0.02, value + 0.03, 120, 40)


@pytest.fixture
def measured(reported_study: Study, monkeypatch: pytest.MonkeyPatch) -> MeasuredModel:
    place = "lipnet.inference.evaluate_shards.evaluate_shards"
    monkeypatch.setattr(place, evaluate_falling)
    return measure_conditions(reported_study, find_row(reported_study))


def find_row(study: Study) -> LeaderboardRow:
    return next(row for row in read_results_rows(study) if row.model == MODEL)


def test_what_was_measured_is_read_again(reported_study: Study, measured: MeasuredModel) -> None:
    found = read_conditions(reported_study, read_results_rows(reported_study))
    assert found == {MODEL: measured}
    assert len(measured.of_kind("context")) == len(CONTEXTS)
    assert len(measured.of_kind("change")) == len(ROBUSTNESS)


def test_other_weights_of_the_same_name_have_no_curve(
    reported_study: Study, measured: MeasuredModel
) -> None:
    folder = reported_study.lineage("small-by-big") / "g1"
    write_generation(folder, replace(read_generation(folder), fingerprint="of another"))
    assert read_conditions(reported_study, [find_row(reported_study)]) == {}


def test_the_page_shows_the_curve_if_there_is_one(
    reported_study: Study,
    measured: MeasuredModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(latencies, "measure_all", lambda rows, study: {})
    write_leaderboard(reported_study)
    page = (reported_study.report / "report.md").read_text(encoding="utf-8")
    assert "## Context and robustness" in page
    assert "| whole | 74.0 [72.0, 77.0]; -6.0 [-8.0, -3.0] (7.2 frames) |" in page
    assert "| brightness x 0.6 | 73.0 [71.0, 76.0]; -7.0 [-9.0, -4.0] |" in page
    assert (reported_study.report / "context.svg").exists()
    keep_study(reported_study, tmp_path / "kept")
    assert read_conditions(Study(tmp_path / "kept"), [find_row(reported_study)]) == {
        MODEL: measured
    }
    reported_study.conditions_file.unlink()
    write_leaderboard(reported_study)
    page = (reported_study.report / "report.md").read_text(encoding="utf-8")
    assert "Context and robustness" not in page


def test_a_card_has_both_tables(measured: MeasuredModel) -> None:
    text = "\n".join(describe_model_conditions(measured))
    assert "On 120 test clips (29.0 frames per clip)" in text
    assert "| frames on each side of the word | top-1 [95 %]; difference [95 %] |" in text
    assert "| filmed at 30 fps |" in text


@pytest.mark.parametrize("change", [{"clips": -1}, {"top1": 0.5}, {"conditions": [1]}])
def test_a_damaged_file_is_named(
    reported_study: Study, measured: MeasuredModel, change: dict[str, object]
) -> None:
    path = reported_study.conditions_file
    kept = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({MODEL: {**kept[MODEL], **change}}), encoding="utf-8")
    with pytest.raises(InputError, match=rf"conditions\.json: what it has of {MODEL} is damaged"):
        read_conditions(reported_study, [find_row(reported_study)])
