"""Names of models: what the trainings of one spec differ in, and a loss that is not the paper's."""

from dataclasses import replace
from pathlib import Path

import pytest

from lipnet.report.names import ModelNames
from lipnet.report.paper_page import describe_students
from lipnet.report.results import read_results
from lipnet.report.rows import LeaderboardRow
from lipnet.report.study import Study
from lipnet.report.tables import leaderboard_rows
from lipnet.selection.selection import write_selection
from tests.lipnet.report.fabricated import SMALL, Fake, fabricate

SPEC = SMALL[1].spec
BY_BIG = "distilled from ResNet-18 0.25×"
METHODS = {
    "mask": ({"time_mask": 8}, "time_mask 8"),
    "ema": ({"ema": 0.999}, "ema 0.999"),
    "dist": ({"distillation": "dist"}, "distillation dist"),
    "resized": ({"crop_area": 0.6}, "crop_area 0.6"),
    "standard": ({"standardise": True, "alpha": 9.0}, "alpha 9, standardise true"),
}


def read_rows(folder: Path, *fakes: Fake) -> list[LeaderboardRow]:
    study = Study(folder)
    fabricate(study, fakes)
    write_selection(study.logits_val, study.selection)
    return leaderboard_rows(read_results(study))


@pytest.fixture
def rows(tmp_path: Path) -> list[LeaderboardRow]:
    fakes = [
        Fake(f"small-{name}-by-big", SPEC, "big-g1", (0.6 + 0.3 * (name == "dist"),), recipe=recipe)
        for name, (recipe, _) in METHODS.items()
    ]
    return read_rows(tmp_path, *SMALL, *fakes)


def test_a_short_name_has_every_setting_that_differs(rows: list[LeaderboardRow]) -> None:
    names = ModelNames(rows)
    short = {row.lineage: names.short(row) for row in rows}
    assert short["small-by-big"] == BY_BIG
    for name, (_, settings) in METHODS.items():
        assert short[f"small-{name}-by-big"] == f"{BY_BIG}, {settings}"


def test_names_without_settings_that_tell_them_apart_have_the_id(
    rows: list[LeaderboardRow],
) -> None:
    """As in reports from before settings were listed, or of repetitions."""
    old = [replace(row, fit=row.fit and replace(row.fit, settings=())) for row in rows]
    names = ModelNames(old)
    assert {names.short(row) for row in old if row.training == "distilled"} == {
        f"{BY_BIG} ({row.model})" for row in old if row.training == "distilled"
    }


def test_a_student_by_another_loss_is_named_as_such(rows: list[LeaderboardRow]) -> None:
    (line,) = [line for line in describe_students(rows, [], ModelNames(rows)) if "| 6 |" in line]
    assert line.endswith(f"{BY_BIG}, distillation dist; not the paper's loss |")


def test_another_loss_is_named_where_all_students_have_it(tmp_path: Path) -> None:
    other = Fake("small-by-big", SPEC, "big-g1", (0.6,), recipe={"distillation": "dkd"})
    rows = read_rows(tmp_path, *SMALL[:2], other)
    names = {row.model: ModelNames(rows).short(row) for row in rows}
    assert names["small-by-big-g1"] == f"{BY_BIG}, distillation dkd"
    assert names["small-g0"] == "from scratch"


def test_a_model_that_started_from_given_weights_is_not_named_from_scratch(tmp_path: Path) -> None:
    big = replace(SMALL[0], start="e" * 16)  # its g0 alone starts from them
    small = Fake("small", SPEC, None, (0.5,), start="f" * 16)
    taught = Fake("small-by-big", SPEC, "big-g1", (0.6,), start="f" * 16)
    rows = read_rows(tmp_path, big, small, taught)
    names = {row.model: ModelNames(rows).short(row) for row in rows}
    assert names["big-g0"] == names["small-g0"] == "fine-tuned"
    assert names["big-g1"] == "generation 1"
    assert names["small-by-big-g1"] == f"{BY_BIG}, fine-tuned"
