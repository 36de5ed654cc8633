"""What a checkout writes down about its trainings, apart from all tracked files."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lipnet.lineage.generation import Generation, TrainingFacts
from lipnet.lineage.plan import LineagePlan
from lipnet.recipe import Recipe
from lipnet.report.csv_rows import read_rows
from lipnet.report.trainings import TrainingRow
from lipnet.spec import ModelSpec
from lipnet.train.engine import Engine
from lipnet.train.history import EpochRecord
from pipeline.paths import Paths
from pipeline.trainings import (
    add_up_epochs,
    collect_trainings,
    describe_commit,
    describe_hardware,
    record_training,
)
from stages import progress
from tests.contract.imports import ROOT

ROW = TrainingRow("a-g0", "a" * 16, "2026-11-29T10:00:00+00:00", "1234567", "Abacus, 2 cores", 90)
SPEC = "resnet18_0.25x + tcn_0.25x"
RELEASED = ROOT / "data" / "released"


def write_lines(place: Path, lines: list[dict[str, Any]]) -> Path:
    path = place / "progress.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 99) | st.none()), max_size=12))
def test_each_epoch_counts_once_and_a_gap_is_not_a_number(
    tmp_path_factory: pytest.TempPathFactory, epochs: list[tuple[int, int | None]]
) -> None:
    lines = [{"fingerprint": "a", "epoch": epoch, "epoch_seconds": took} for epoch, took in epochs]
    others = [{"fingerprint": "b", "epoch": 0, "epoch_seconds": 5}, {"epoch": 0}]
    path = write_lines(tmp_path_factory.mktemp("lines"), [*others, *lines])
    with path.open("a") as out:
        out.write('{"fingerprint": "a", "epo')
    last = dict(epochs)
    took = [last.get(epoch) for epoch in range(3)]
    expected = None if None in took else sum(map(int, filter(None, took)))
    assert add_up_epochs(path, "a", 3) == expected


def test_records_outlive_the_folder_of_unfinished_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = Paths("tiny")
    collect_trainings(paths)
    assert not paths.report.exists()
    record_training(paths, ROW)
    collect_trainings(paths)
    shutil.rmtree(paths.tmp)
    again = replace(ROW, finished="2026-11-30T10:00:00+00:00", seconds=None)
    for row in (again, replace(ROW, model="b-g0", fingerprint="b" * 16)):
        record_training(paths, row)
    collect_trainings(paths)
    kept = read_rows(paths.report / "trainings.csv", TrainingRow)
    assert [(row.model, row.seconds) for row in kept] == [("a-g0", None), ("b-g0", 90.0)]


def test_the_commit_is_named_and_so_are_changes_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert describe_commit() == ""
    for name in ("code.py", "params.yaml"):
        (tmp_path / name).write_text("1")
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], check=True)
    commit = describe_commit()
    assert len(commit) >= 7
    (tmp_path / "params.yaml").write_text("2")
    (tmp_path / "new.py").write_text("not tracked")
    assert describe_commit() == commit
    (tmp_path / "code.py").write_text("2")
    assert describe_commit() == f"{commit} with changes"


def test_the_processor_and_its_cores_are_named() -> None:
    cpu = torch.device("cpu")
    assert describe_hardware(cpu).endswith(("1 core", " cores"))
    assert describe_hardware(cpu, 2) == f"2 processes on {describe_hardware(cpu)}"


def test_a_generation_that_ends_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    silent = SimpleNamespace(
        **dict.fromkeys(("__enter__", "finish"), lambda: None), log_epoch=lambda *_: None
    )
    monkeypatch.setattr(progress, "ModelRun", lambda *_: silent)
    params: Any = SimpleNamespace(profile="tiny", source=SimpleNamespace(name="grid"))
    recipe = Recipe(epochs=2)
    plan = LineagePlan("a", ModelSpec.parse(SPEC), recipe, generations=1, patience=1)
    shown = progress.LineageProgress(params, plan, tmp_path / "progress.jsonl", Engine())
    model = shown.begin("a-g0", TrainingFacts(SPEC, recipe, None, "a" * 16))
    for epoch in range(2):
        model.on_batch(1, 1)
        model.on_epoch(EpochRecord(epoch, 1e-3, 1.0, 1.0, 0.0, 1.0, 0.5, 0.9, best=True))
    shown.end(Generation("g0", "a-g0", None, SPEC, recipe, 1, 0.5, 0.9, 1.0, "a" * 16))
    (row,) = read_rows(Paths("tiny").trainings / f"{'a' * 16}.csv", TrainingRow)
    assert (row.model, row.machine) == ("a-g0", describe_hardware(torch.device("cpu")))
    assert row.seconds is not None


@pytest.mark.parametrize("taught", [False, True])
def test_what_a_training_starts_from_is_printed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    taught: bool,
) -> None:
    (start,) = RELEASED.glob("*-rn18-mstcn-*.safetensors")
    monkeypatch.setattr(progress, "ModelRun", lambda *_: MagicMock())
    params: Any = SimpleNamespace(profile="tiny", source=SimpleNamespace(name="grid"))
    plan = LineagePlan("a", ModelSpec.parse(SPEC), Recipe(), generations=1, patience=1, start=start)
    shown = progress.LineageProgress(params, plan, tmp_path / "progress.jsonl", Engine())
    teacher = "b-g0" if taught else None
    for digest in ("f" * 16, None):  # the first generation, and one born again
        shown.begin("a-g0", TrainingFacts(SPEC, Recipe(), teacher, "a" * 16, digest)).finish()
    by = "distilled from b-g0" if taught else ""
    first = f"{by}, fine-tuned from rn18-mstcn-g0".removeprefix(", ")
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("a-g0: ")]
    assert printed == [f"a-g0: {SPEC}, {first}", f"a-g0: {SPEC}, {by or 'from scratch'}"]
