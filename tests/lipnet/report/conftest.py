"""A fabricated study with its report, which takes seconds: written once, and copied per test."""

import shutil
from pathlib import Path

import pytest

from lipnet.report import write
from lipnet.report.study import Study
from lipnet.selection.selection import write_selection
from tests.lipnet.report.fabricated import SMALL, fabricate, write_fake_figures
from tests.sharing import make_once

NAME = "fabricated"


def _report(folder: Path) -> None:
    study = Study(folder / NAME)
    fabricate(study, SMALL, slots=True, unseen=True)
    write_selection(study.logits_val, study.selection)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "write_figures", write_fake_figures)
        write.write_report(study, {"source": "grid"})


@pytest.fixture
def reported_study(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Study:
    """A copy of the study in `tmp_path`, for a test to change."""
    shutil.copytree(make_once(tmp_path_factory, "reported", _report) / NAME, tmp_path / NAME)
    return Study(tmp_path / NAME)
