"""The table and the figure of a study's systems, from saved logits and the leaderboard."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lipnet.errors import InputError
from lipnet.measure.accuracy import paired_difference
from lipnet.report.csv_rows import write_rows
from lipnet.report.results import read_results
from lipnet.report.rows import LeaderboardRow, RowLatency
from lipnet.report.study import Study
from lipnet.report.tables import leaderboard_rows
from lipnet.selection.selection import write_selection
from scripts.compare_systems import find_systems, insert, main, make_table
from tests.lipnet.report.fabricated import Fake, fabricate
from tests.sharing import make_once

SMALL, WIDE = "shufflenetv2_0.5x + tcn_0.125x", "resnet18_0.25x + tcn_0.25x"
FAKES = (
    Fake("big", WIDE, None, (0.7, 0.75)),
    Fake("small", SMALL, None, (0.55,)),
    Fake("small-by-big", SMALL, "big-g1", (0.65,)),
    Fake("alone", "vggm_ef_0.0625x", None, (0.4,)),
    Fake("big-by-big", WIDE, "big-g1", (0.8,)),
)
PAGE = """# Page

<!-- begin of made, made by scripts/compare_systems.py -->
an older table
<!-- end of made, made by scripts/compare_systems.py -->

Text after it.
"""


def write_study(folder: Path, fakes: Sequence[Fake] = FAKES) -> None:
    study = Study(folder / "made")
    fabricate(study, fakes)
    write_selection(study.logits_val, study.selection)
    rows = leaderboard_rows(read_results(study))
    timed = [replace(row, latency=RowLatency(12.34, 15.0, 1, "a machine")) for row in rows]
    study.report.mkdir(exist_ok=True)
    write_rows(study.report / "leaderboard.csv", LeaderboardRow, timed)


@pytest.fixture
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return Study(make_once(tmp_path_factory, "systems", write_study) / "made")


def test_each_system_has_its_twin_and_is_paired_with_the_reference(study: Study) -> None:
    results = read_results(study)
    systems = {own.name: own for own in find_systems(study, "small")}
    assert list(systems) == sorted(systems, key=lambda name: systems[name].gflops)
    assert set(systems) == {"big", "small", "alone"}
    assert systems["small"].scratch_difference is systems["small"].taught_difference is None
    assert systems["alone"].taught is systems["alone"].taught_difference is None
    assert systems["alone"].gain is None
    assert systems["big"].scratch == results.entry("big-g0").outcomes["test"].top1
    for own, first, second in (
        (systems["big"].taught_difference, "small-by-big-g1", "big-by-big-g1"),
        (systems["alone"].scratch_difference, "small-g0", "alone-g0"),
        (systems["small"].gain, "small-g0", "small-by-big-g1"),
    ):
        base, other = (results.entry(name).outcomes["test"] for name in (first, second))
        assert own == paired_difference(base.correct_N, other.correct_N, base.units_N)


@pytest.mark.slow
def test_models_that_started_from_given_weights_are_in_no_system(tmp_path: Path) -> None:
    tuned = {"alone": "f" * 16, "small-by-big": "f" * 16}
    write_study(tmp_path, [replace(own, start=tuned.get(own.lineage)) for own in FAKES])
    study = Study(tmp_path / "made")
    systems = {own.name: own.taught is None for own in find_systems(study, "small")}
    assert systems == {"small": True, "big": False}
    with pytest.raises(InputError, match="no system 'alone' from scratch; it has: big, small$"):
        find_systems(study, "alone")


@pytest.mark.slow
def test_the_page_gets_the_table_and_the_figure(study: Study, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    main([str(study.root), "--reference", "small", "--page", str(page)])
    text = page.read_text(encoding="utf-8")
    assert make_table(find_systems(study, "small"), "small") in text
    assert "an older table" not in text
    assert text.startswith("# Page\n\n<!-- begin of made")
    assert text.endswith("-->\n\nText after it.\n")
    assert "one thread of a machine" in text
    line = next(line for line in text.splitlines() if "(`alone`)" in line)
    assert line.split(" | ")[3] == "12.3"
    assert line.endswith("| - | - |")
    assert (tmp_path / "made.png").read_bytes().startswith(b"\x89PNG")


def test_an_unknown_reference_and_a_page_without_marks_are_refused(study: Study) -> None:
    with pytest.raises(InputError, match="has no system 'tiny' from scratch; it has: .*small"):
        find_systems(study, "tiny")
    with pytest.raises(InputError, match="the page needs one line '<!-- begin of made, made by"):
        insert("# Page\n", "made", "table")
