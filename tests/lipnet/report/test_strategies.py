"""Ways of teaching: chains of teachers, the choice on validation, gain over the same seed."""

import json
from pathlib import Path

import numpy as np
import pytest

from lipnet.measure.accuracy import paired_difference
from lipnet.recipe import NON_STREAM_FIELDS
from lipnet.report.comparisons import compare_all
from lipnet.report.csv_rows import read_rows
from lipnet.report.metrics import write_metrics
from lipnet.report.names import ModelNames
from lipnet.report.paper_page import describe_strategies
from lipnet.report.recipes import SEEDS, TEACHING
from lipnet.report.results import Results, read_results
from lipnet.report.rows import StrategyRow
from lipnet.report.strategies import strategy_rows
from lipnet.report.study import Study
from lipnet.report.tables import leaderboard_rows, write_tables
from lipnet.selection.selection import write_selection
from tests.lipnet.report.fabricated import Fake, fabricate

SPEC = "shufflenetv2_0.5x + tcn_0.125x"
FAKES = (
    Fake("big", "resnet18_0.25x + tcn_0.25x", None, (0.7, 0.75)),
    Fake("middle-by-big", "shufflenetv2_0.5x + tcn_0.25x", "big-g1", (0.7,)),
    Fake("a", SPEC, None, (0.55,)),
    Fake("a-s2", SPEC, None, (0.50,), seed=2),
    Fake("a-by-big", SPEC, "big-g1", (0.60,)),
    Fake("a-by-middle", SPEC, "middle-by-big-g1", (0.68, 0.66)),
    Fake("a-s2-by-big", SPEC, "big-g1", (0.64,), seed=2),
    Fake("a-s2-by-big-softly", SPEC, "big-g1", (0.65,), seed=2, temperature=4.0),
)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = Study(tmp_path / "fabricated")
    fabricate(study, FAKES)
    write_selection(study.logits_val, study.selection)
    return study


@pytest.fixture
def results(study: Study) -> Results:
    return read_results(study)


def test_candidates_are_of_one_spec_and_seed_and_validation_chooses(results: Results) -> None:
    rows = {row.model: row for row in strategy_rows(results)}
    for seed in (1, 2):
        own = {name: row for name, row in rows.items() if row.seed == seed}
        assert len(own) == 2
        val = {name: results.entry(name).outcomes["val"].top1.value for name in own}
        (chosen,) = (name for name, row in own.items() if row.chosen)
        assert val[chosen] == max(val.values())


def test_a_student_is_compared_with_its_twin_by_the_same_recipe(tmp_path: Path) -> None:
    long = Fake("a-long", SPEC, None, (0.9,), recipe={"lr": 1e-3})
    masked = Fake("a-mask-by-big", SPEC, "big-g1", (0.7,), recipe={"time_mask": 8})
    study = Study(tmp_path / "controlled")
    fabricate(study, [*FAKES, long, masked])
    write_selection(study.logits_val, study.selection)
    results = read_results(study)
    pairs = {pair.second: pair for pair in compare_all(results)}
    assert (pairs["a-by-big-g1"].first, pairs["a-by-big-g1"].question) == (
        *("a-g0", "distilled over scratch"),
    )
    question = "distilled over scratch, recipes differ"
    assert (pairs["a-mask-by-big-g1"].first, pairs["a-mask-by-big-g1"].question) == (
        *("a-long-g0", question),
    )
    rows = {row.model: row for row in strategy_rows(results)}
    assert rows["a-by-big-g1"].scratch == "a-g0"
    assert (rows["a-mask-by-big-g1"].scratch, rows["a-mask-by-big-g1"].difference) == ("", None)
    own = [pair for pair in pairs.values() if pair.question == "distilled over scratch"]
    write_metrics(tmp_path / "metrics.json", results, pairs.values())
    gain = json.loads((tmp_path / "metrics.json").read_text())["gain"]
    assert gain == pytest.approx(np.mean([pair.difference.value for pair in own]), abs=1e-6)


def test_the_fields_that_a_twin_may_differ_in_are_those_of_the_loss() -> None:
    others = {"optimiser", "lr", "weight_decay", "epochs", "schedule", "warmup_epochs", "last_rate"}
    assert set(NON_STREAM_FIELDS) - set(TEACHING) - set(SEEDS) == {*others, "ema", "eval_context"}


def test_a_row_names_the_settings_in_which_recipes_differ(results: Results) -> None:
    recipes = {row.model.rpartition("-")[0]: row.recipe for row in strategy_rows(results)}
    assert recipes["a-by-big"] == recipes["a-by-middle"] == ""
    assert recipes["a-s2-by-big"] == "temperature 1"
    assert recipes["a-s2-by-big-softly"] == "temperature 4"


def test_the_chain_goes_back_to_the_model_without_a_teacher(results: Results) -> None:
    rows = {row.model.rpartition("-")[0]: row for row in strategy_rows(results)}
    assert rows["a-by-middle"].chain == ("big-g1", "middle-by-big-g1")
    assert rows["a-by-middle"].shares == "backbone"
    assert rows["a-by-big"].chain == ("big-g1",)
    assert rows["a-by-big"].shares == "nothing"


def test_a_taught_model_is_compared_with_the_scratch_model_of_its_seed(results: Results) -> None:
    pairs = {one.second: one.first for one in compare_all(results)}
    assert pairs["a-s2-by-big-g1"] == "a-s2-g0"
    assert pairs["a-by-big-g1"] == "a-g0"
    row = next(row for row in strategy_rows(results) if row.model == "a-by-big-g1")
    first, second = (results.entry(name).outcomes["test"] for name in ("a-g0", "a-by-big-g1"))
    expected = paired_difference(first.correct_N, second.correct_N, first.units_N)
    assert np.isclose(row.difference, expected.value)
    assert (row.low, row.high) == (expected.low, expected.high)


def test_the_page_shows_strategies_if_there_are_any(results: Results, tmp_path: Path) -> None:
    write_tables(tmp_path, results, compare_all(results))
    names = ModelNames(leaderboard_rows(results))
    text = "\n".join(
        describe_strategies(read_rows(tmp_path / "strategies.csv", StrategyRow), names)
    )
    chain = " → ".join(map(names.full, ("big-g1", "middle-by-big-g1")))
    assert f"{chain} | backbone |" in text
    assert text.count(" ★ |") == 2
    assert describe_strategies([], names) == []
