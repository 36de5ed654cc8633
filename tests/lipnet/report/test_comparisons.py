"""Comparisons: which model from scratch is a twin, and whether more than the teacher differs."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from lipnet.lineage.generation import Packing
from lipnet.report.comparisons import Comparison, compare_all
from lipnet.report.names import ModelNames
from lipnet.report.results import Results, read_results
from lipnet.report.study import Study
from lipnet.report.tables import leaderboard_rows
from lipnet.selection.selection import write_selection
from tests.lipnet.report.fabricated import SMALL, Fake, fabricate

SPEC = SMALL[1].spec
WIDE, HALF = "resnet18_0.25x + tcn_0.5x", "resnet18_0.125x + tcn_0.25x"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "fabricated")


def read(study: Study, *fakes: Fake, compressed: Sequence[str] = ()) -> Results:
    fabricate(study, fakes)
    write_selection(study.logits_val, study.selection, compressed=compressed)
    return read_results(study)


def compared(results: Results) -> dict[str, Comparison]:
    return {pair.second: pair for pair in compare_all(results)}


def test_a_model_from_other_weights_is_no_twin(study: Study) -> None:
    big, small, taught = SMALL
    started = Fake("small-start", SPEC, None, (0.9,), start="f" * 16)
    also = Fake("small-start-by-big", SPEC, "big-g1", (0.6,), start="f" * 16)
    pairs = compared(read(study, big, small, taught, started, also))
    question = "distilled over scratch"
    found = pairs["small-by-big-g1"], pairs["small-start-by-big-g1"]
    assert [pair.first for pair in found] == ["small-g0", "small-start-g0"]
    assert [pair.question for pair in found] == [question, question]


def test_without_a_twin_of_the_same_start_the_recipes_differ(study: Study) -> None:
    started = Fake("small-start-by-big", SPEC, "big-g1", (0.6,), start="f" * 16)
    pair = compared(read(study, *SMALL[:2], started))["small-start-by-big-g1"]
    assert (pair.first, pair.question) == ("small-g0", "distilled over scratch, recipes differ")


def test_a_teacher_of_several_widths_is_named_in_the_comparison(study: Study) -> None:
    half = Packing("wide-by-big-g1", "width_0.5", 0, 10, 40)
    fakes = [
        SMALL[0],
        Fake("full", WIDE, None, (0.5,)),
        Fake("wide-by-big", WIDE, "big-g1", (0.6,), widths=(1, 0.5)),
        Fake("half", HALF, None, (0.5,)),
        Fake("wide-half", HALF, "wide-by-big-g1", (0.5,), packing=half),
    ]
    results = read(study, *fakes, compressed=["wide-half"])
    pairs = compared(results)
    for model in ("wide-by-big-g1", "wide-half-g1"):
        assert pairs[model].question == "distilled, at several widths, over scratch"
    name = ModelNames(leaderboard_rows(results)).full("wide-by-big-g1")
    assert name.endswith(", the widest of several, distilled from ResNet-18 0.25× + TCN 0.25×")


def test_a_g0_by_another_recipe_is_named_in_its_comparison(study: Study) -> None:
    initial = {"optimiser": "adam", "lr": 1e-4}
    other = Fake("other", SPEC, None, (0.5, 0.6), initial=initial)
    pairs = compared(read(study, SMALL[0], other))
    assert pairs["big-g1"].question == "born-again over scratch"
    assert pairs["other-g1"].question == "born-again over scratch, recipes differ"
