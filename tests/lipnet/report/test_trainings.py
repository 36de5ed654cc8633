"""The page's sentence about when, where and from which commit models were trained."""

from dataclasses import replace

import pytest

from lipnet.errors import InputError
from lipnet.lineage.generation import read_generation
from lipnet.report import latencies
from lipnet.report.csv_rows import write_rows
from lipnet.report.leaderboard import write_leaderboard
from lipnet.report.study import Study
from lipnet.report.trainings import TrainingRow, describe_training

OWN = TrainingRow("a-g0", "a" * 16, "2026-11-29T10:00:00+00:00", "1234567", "AMD_EPYC, 2 cores", 90)
OTHER = TrainingRow("b-g0", "b" * 16, "2026-11-28T10:00:00+00:00", "7654321", "2 H200", 7110)


def test_the_sentence_has_date_commit_machine_and_hours() -> None:
    assert describe_training("a-g0", 1, {"a-g0": OWN}) == (
        r"Its training ended on 2026-11-29 after 2 minutes (commit 1234567, AMD\_EPYC, 2 cores)."
    )
    both = describe_training("a-g0", 2, {"a-g0": OWN, "b-g0": OTHER})
    assert both.endswith("; all 2 models took 2.0 hours (others: commit 7654321; 2 H200).")


def test_what_is_not_known_is_left_out() -> None:
    cut = replace(OWN, commit="", seconds=None)
    assert describe_training("a-g0", 3, {"a-g0": cut, "b-g0": OTHER}).startswith(
        r"Its training ended on 2026-11-29 (AMD\_EPYC, 2 cores); 1 of the 3 models took 2.0 hours"
    )
    assert "not recorded" in describe_training("c-g0", 3, {"a-g0": OWN})
    with pytest.raises(InputError, match="seconds -1"):
        replace(OWN, seconds=-1)


def test_only_a_record_of_the_same_training_is_shown(
    reported_study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`big-g1` is the best; a record of an earlier training of it has another fingerprint."""
    monkeypatch.setattr(latencies, "measure_all", lambda rows, study: {})
    found = read_generation(reported_study.lineage("big") / "g1")
    own = replace(OWN, model="big-g1", fingerprint=found.fingerprint)
    for row, shown in ((replace(own, fingerprint="0" * 16), "not recorded"), (own, "2026-11-29")):
        write_rows(reported_study.report / "trainings.csv", TrainingRow, [row])
        write_leaderboard(reported_study)
        first = (reported_study.report / "report.md").read_text(encoding="utf-8").splitlines()[2]
        assert shown in first
        assert "test clips of grid (95 % interval" in first
