"""The saved report: typed rows, and an error that names what is wrong in a changed file."""

import pytest

from lipnet.errors import InputError
from lipnet.report.columns import COLUMNS, Place, columns_for, format_rows
from lipnet.report.csv_rows import write_rows
from lipnet.report.rows import LeaderboardRow
from lipnet.report.saved import read_report, read_results_rows
from lipnet.report.study import Study


@pytest.fixture
def study(reported_study: Study) -> Study:
    return reported_study


def test_a_report_is_read_with_its_types(study: Study) -> None:
    report = read_report(study)
    assert (report.corpus.source, report.corpus.labels, report.best) == ("grid", 12, "big-g1")
    assert {pair.second for pair in report.comparisons} == {"big-g1", "small-by-big-g1", "big-all"}
    assert {row.slot for row in report.slots} == {"verb", "noun", "digit", "all"}
    assert report.splits["train"].clips == 480
    rows = {row.model: row for row in read_results_rows(study)}
    assert rows["big-all"].members == ("big-g0", "big-g1")
    assert rows["big-g1"].model_fit.input_size == 44
    with pytest.raises(InputError, match="big-all has no seed"):
        _ = rows["big-all"].model_fit


def test_a_results_file_is_the_same_after_reading_and_writing(study: Study) -> None:
    path = study.report / "results.csv"
    before = path.read_bytes()
    write_rows(path, LeaderboardRow, read_results_rows(study))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("test_top1,", "top1_of_test,", r"line 2: no column 'test_top1'"),
        (",44,", ",44 px,", r"line 2, column 'input_size': '44 px' is not a whole number"),
        (",0.", ",1.", r"line 2: .* an accuracy is between 0 and 1"),
    ],
)
def test_a_changed_results_file_is_refused(study: Study, old: str, new: str, message: str) -> None:
    path = study.report / "results.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=message):
        read_results_rows(study)


def test_an_empty_results_file_is_refused(study: Study) -> None:
    write_rows(study.report / "results.csv", LeaderboardRow, [])
    with pytest.raises(InputError, match="has no rows"):
        read_results_rows(study)


def test_every_place_names_each_shown_column_once(study: Study) -> None:
    rows = read_results_rows(study)
    for place in Place:
        headings = [column.heading for column in columns_for(place, rows)]
        assert len(set(headings)) == len(headings)
        assert [list(row) for row in format_rows(place, rows)] == [headings] * len(rows)
    assert all(column.shown_in for column in COLUMNS)


def test_columns_of_unseen_speakers_need_unseen_speakers(study: Study) -> None:
    rows = read_results_rows(study)
    shown = {column.name for column in columns_for(Place.PAGE, rows)}
    seen_only = [row for row in rows if row.unseen is None]
    assert "unseen_top1" in shown
    assert "unseen_top1" not in {column.name for column in columns_for(Place.PAGE, seen_only)}
