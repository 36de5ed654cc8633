"""`lipnet folds` over fabricated studies that share a corpus."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lipnet.cli.main import main
from lipnet.errors import InputError
from lipnet.inference.logits import read_logits, write_logits
from lipnet.report.figures.folds import draw_folds
from lipnet.report.folds import compare_folds, read_folds
from lipnet.report.results import read_results
from lipnet.report.study import Study
from lipnet.selection.selection import write_selection
from lipnet.train.history import read_history, write_history
from tests.lipnet.report.fabricated import fabricate

PAIR = ("small", "small-by-big")


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three folds of 40 sentences of three words."""
    root = tmp_path_factory.mktemp("folds")
    for fold in ("a", "b", "c"):
        study = Study(root / fold)
        fabricate(study, slots=True, fold=fold)
        write_selection(study.logits_val, study.selection)
    return [root / fold for fold in ("a", "b", "c")]


@pytest.mark.slow
def test_folds_are_pooled_clip_by_clip(studies: list[Path]) -> None:
    (pair,) = compare_folds(read_folds(studies), [PAIR])
    own = [read_results(Study(folder)) for folder in studies]
    gains = [
        found.entry("small-by-big-g1").outcomes["test"].top1.value
        - found.entry("small-g0").outcomes["test"].top1.value
        for found in own
    ]
    assert [fold.value for fold in pair.difference.by_fold] == pytest.approx(gains)
    assert pair.models == (("small-g0", "small-by-big-g1"),) * 3
    assert (pair.difference.pooled.clips, pair.difference.pooled.units) == (360, 120)
    (digits,) = compare_folds(read_folds(studies), [PAIR], slot="digit")
    assert digits.difference.pooled.clips == 120


def test_the_command_prints_each_fold_and_the_verdict(
    studies: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["folds", *map(str, studies), "--pair", *PAIR, "--pair", "big-g0", "big"]
    main(command)
    printed = capsys.readouterr().out
    assert "test: 360 clips, 120 units, 3 folds" in printed
    assert "small-by-big less small" in printed
    main([*command, "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert [row["verdict"] for row in rows] == ["better", "not shown"]
    assert rows[1]["models"] == [["big-g0", "big-g1"]] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pair", "small", "other"], "has no model or lineage other; models: big-g0"),
        (["--pair", *PAIR, "--slot", "letter"], "no clips of slot letter; slots: digit, noun"),
        (["--pair", *PAIR, "--split", "unseen"], "no predictions of small-g0 on unseen"),
    ],
)
def test_what_a_study_lacks_is_named(studies: list[Path], options: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        main(["folds", *map(str, studies), *options])


def test_the_figure_has_each_fold_their_mean_and_range(studies: list[Path], tmp_path: Path) -> None:
    study = read_folds(studies)
    (axes,) = draw_folds([(name, study.find(name)) for name in PAIR]).axes
    for name in PAIR:
        curves = [
            [100 * record.val_top1 for record in read_history(entry.folder / "history.csv")]
            for entry in study.find(name)
        ]
        drawn = [list(line.get_ydata()) for line in axes.lines]
        assert all(curve in drawn for curve in curves)
        assert any(np.allclose(np.mean(curves, axis=0), own) for own in drawn if len(own) > 1)
    assert len(axes.collections) == len(PAIR)  # the ranges
    assert {text.get_text() for text in axes.texts} == set(PAIR)
    command = ["folds", str(studies[0]), "--pair", *PAIR, "--figure"]
    main([*command, str(tmp_path / "new" / "fold.1.png")])
    (drawn_file,) = (tmp_path / "new").iterdir()
    assert drawn_file.name == "fold.1.png"
    assert drawn_file.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("second", "file", "message"),
    [
        ("small-by-big", "folds.pdf", "the file name must end in .png or .svg"),
        ("ensemble", "folds.png", "has no training history to draw"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    studies: list[Path], tmp_path: Path, second: str, file: str, message: str
) -> None:
    (folder, *_) = studies
    if second == "ensemble":
        second = read_results(Study(folder)).ensembles[0].name
    with pytest.raises(SystemExit, match=message):
        main(["folds", str(folder), "--pair", "small", second, "--figure", str(tmp_path / file)])
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_was_not_trained_has_nothing_to_draw(tmp_path: Path) -> None:
    study = Study(tmp_path / "a")
    fabricate(study)
    write_selection(study.logits_val, study.selection)
    entries = read_folds([study.root]).find("small")
    write_history(entries[0].folder / "history.csv", [])  # as of one that was compressed only
    with pytest.raises(InputError, match="small-g0 has no training history to draw"):
        draw_folds([("small", entries)])


def test_predictions_of_different_clips_are_refused(tmp_path: Path) -> None:
    study = Study(tmp_path / "a")
    fabricate(study, slots=True)
    write_selection(study.logits_val, study.selection)
    path = study.logits("small", "g0", "test")
    saved = read_logits(path)
    write_logits(path, replace(saved, units=np.roll(saved.units, 1)))
    with pytest.raises(InputError, match="small-g0 and small-by-big-g1 predicted different test"):
        compare_folds(read_folds([study.root]), [PAIR])


def test_one_study_twice_is_refused(studies: list[Path]) -> None:
    with pytest.raises(SystemExit, match="is a test unit of fold 2 and of an earlier one"):
        main(["folds", str(studies[0]), str(studies[0]), "--pair", *PAIR])
