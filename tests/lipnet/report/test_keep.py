"""A study that was kept: the same report without weights, and nothing else is overwritten."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from lipnet.cli.main import main
from lipnet.errors import InputError
from lipnet.inference.logits import read_logits
from lipnet.report import latencies, write
from lipnet.report.keep import keep_study
from lipnet.report.saved import read_results_rows
from lipnet.report.study import Study
from tests.lipnet.report.fabricated import write_fake_figures


@pytest.fixture
def study(reported_study: Study, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setattr(write, "write_figures", write_fake_figures)
    return reported_study


def test_the_report_of_what_was_kept_is_the_same(study: Study, tmp_path: Path) -> None:
    place = tmp_path / "kept" / "fabricated"
    (study.report / "trainings.csv").write_text("model\n")
    keep_study(study, place)
    assert (place / "report" / "trainings.csv").read_text() == "model\n"
    (place / "report" / "trainings.csv").unlink()
    shutil.rmtree(study.root / "models")
    assert not list(place.rglob("*.safetensors"))
    main(["report", str(place)])
    kept = Study(place)
    assert read_results_rows(kept) == read_results_rows(study)
    for name in ("corpus.json", "metrics.json"):
        assert (kept.report / name).read_bytes() == (study.report / name).read_bytes()
    text = (kept.report / "report.md").read_text(encoding="utf-8")
    assert "Source: **grid**" in text
    assert (kept.report / "report.html").exists()


def test_logits_are_kept_to_half_precision(study: Study, tmp_path: Path) -> None:
    keep_study(study, tmp_path / "kept")
    own = read_logits(study.logits("big", "g1", "unseen"))
    kept = read_logits(Study(tmp_path / "kept").logits("big", "g1", "unseen"))
    assert np.array_equal(kept.clip_ids, own.clip_ids)
    below = own.logits - own.logits.max(axis=1, keepdims=True)
    assert np.allclose(kept.logits, below, rtol=2**-11, atol=2**-20)
    assert np.array_equal(kept.logits.argmax(axis=1), own.logits.argmax(axis=1))
    assert np.array_equal(kept.logits.astype(np.float16).astype(np.float32), kept.logits)


def test_keeping_again_replaces_and_nothing_else_is_replaced(study: Study, tmp_path: Path) -> None:
    keep_study(study, tmp_path / "kept")
    keep_study(study, tmp_path / "kept")
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    notes = tmp_path / "kept" / "notes.md"
    notes.write_text("mine")
    for folder, message in (
        (other, "is not a study that was kept"),
        (notes.parent, r"is not a study that was kept \(notes.md\)"),
        (study.root, "holds the study itself"),
        (study.root.parent, "holds the study itself"),
    ):
        with pytest.raises(InputError, match=message):
            keep_study(study, folder)
    with pytest.raises(InputError, match="the report itself goes there"):
        keep_study(Study(study.root, tmp_path / "new" / "report"), tmp_path / "new")
    assert (other / "thesis.txt").exists()
    assert notes.exists()
    assert study.lineage("big").is_dir()


def test_the_report_is_written_to_out(
    study: Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(latencies, "measure_all", lambda rows, study: {})
    before = sorted(study.report.rglob("*"))
    main(["report", str(study.root), "--out", str(tmp_path / "out")])
    assert sorted(study.report.rglob("*")) == before
    assert (tmp_path / "out" / "report.md").exists()
    assert "big-g1" in capsys.readouterr().out


def test_a_folder_without_a_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"corpus\.json: run `dvc repro`"):
        main(["report", str(tmp_path)])
