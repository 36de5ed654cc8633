"""Lineages: generations in order, their teachers, when they stop, and how they resume."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lipnet.data.batch import View
from lipnet.distill.teacher import FrozenTeacher, StreamPosition
from lipnet.errors import InputError
from lipnet.files import digest_files, read_json, write_json
from lipnet.lineage.generation import (
    WEIGHTS_FILE,
    Generation,
    TrainingFacts,
    best_generation,
    lineage_of,
    name_teacher,
    read_generation,
    write_generation,
)
from lipnet.lineage.generation_run import GenerationRun
from lipnet.lineage.lineage import has_stopped, train_lineage
from lipnet.lineage.plan import LineageData, LineagePlan
from lipnet.lineage.summary import (
    LineageSummary,
    all_weights,
    best_weights,
    read_generations,
    read_lineage,
    write_lineage,
)
from lipnet.models.lengths import Lengths
from lipnet.models.weights import load_model, save_weights
from lipnet.recipe import Recipe
from lipnet.shards.index import PixelStats
from lipnet.spec import ModelSpec
from lipnet.train.engine import Engine
from lipnet.train.history import EpochRecord
from tests.lipnet.clips import make_store

RECIPE = Recipe(lr=3e-3, batch=8, epochs=2, input_size=24, mixup=0.4, seed=3)
ENGINE = Engine()
PIXELS = PixelStats(0.5, 0.29)
SPEC = ModelSpec.parse("resnet18_0.125x + tcn_0.125x")


class Recorder:
    """A listener that records its calls and can stop the training after some epochs."""

    def __init__(self, stop_after: int = 10**6) -> None:
        self.begun: list[str] = []
        self.facts: list[TrainingFacts] = []
        self.epochs = 0
        self.stop_after = stop_after

    def begin(self, model: str, facts: TrainingFacts) -> "Recorder":
        self.begun.append(model)
        self.facts.append(facts)
        return self

    def end(self, generation: Generation) -> None: ...

    def on_batch(self, done: int, total: int) -> None: ...

    def on_note(self, text: str) -> None:
        return

    def on_warning(self, text: str) -> None: ...

    def on_epoch(self, record: EpochRecord) -> None:
        self.epochs += 1
        if self.epochs == self.stop_after:
            raise KeyboardInterrupt


def make_data(digest: str = "d") -> LineageData:
    return LineageData(
        make_store(24), make_store(9, seed=1), ["a", "b", "c"], {"fps": 25.0}, digest, PIXELS
    )


def make_plan(**changes: Any) -> LineagePlan:
    plan = LineagePlan("rn-tcn", SPEC, RECIPE, generations=1, patience=3)
    return replace(plan, **changes)


def train(
    plan: LineagePlan, work: Path, listener: Recorder | None = None, engine: Engine = ENGINE
) -> list[Generation]:
    listener = listener or Recorder()
    return train_lineage(plan, make_data(), work=work, engine=engine, listener=listener)


def all_bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def lineage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("lineage") / "rn-tcn"
    train(make_plan(), work)
    return work


def generation(name: str, top1: float, loss: float = 1.0) -> Generation:
    return Generation(name, f"x-{name}", None, "s", RECIPE, 0, top1, 1.0, loss, "f")


@pytest.mark.slow
def test_a_scratch_lineage_is_born_again_from_itself(lineage: Path) -> None:
    assert [(g.model, g.teacher) for g in read_generations(lineage)] == [
        ("rn-tcn-g0", None),
        ("rn-tcn-g1", "rn-tcn-g0"),
    ]


@pytest.mark.slow
def test_a_taught_lineage_starts_at_g1_with_the_best_of_its_teacher(
    lineage: Path, tmp_path: Path
) -> None:
    spec = ModelSpec.parse("resnet18_0.125x + dstcn_0.125x")
    plan = make_plan(lineage="ds-by-rn", spec=spec, teachers=(best_weights(lineage),))
    generations = train(plan, tmp_path / "ds-by-rn")
    best = read_lineage(lineage).best
    assert [(g.name, g.teacher) for g in generations] == [("g1", f"rn-tcn-{best}")]
    assert read_lineage(tmp_path / "ds-by-rn").teacher == "rn-tcn"


@pytest.mark.slow
def test_an_interrupted_lineage_ends_with_the_same_bytes(lineage: Path, tmp_path: Path) -> None:
    for epochs in (1, 1, 1):
        with pytest.raises(KeyboardInterrupt):
            train(make_plan(), tmp_path, Recorder(stop_after=epochs))
    train(make_plan(), tmp_path)
    assert all_bytes(tmp_path) == all_bytes(lineage)


def test_finished_generations_are_not_trained_again(lineage: Path, tmp_path: Path) -> None:
    shutil.copytree(lineage, tmp_path / "again")
    listener = Recorder()
    train(make_plan(), tmp_path / "again", listener)
    assert listener.begun == []


@pytest.mark.slow
def test_a_generation_of_another_recipe_is_trained_again(lineage: Path, tmp_path: Path) -> None:
    shutil.copytree(lineage, tmp_path / "again")
    listener = Recorder()
    train(make_plan(recipe=replace(RECIPE, lr=1e-3)), tmp_path / "again", listener)
    assert listener.begun == ["rn-tcn-g0", "rn-tcn-g1"]


@pytest.mark.slow
def test_generations_are_found_again_after_another_recipe_in_between(tmp_path: Path) -> None:
    short = make_plan(recipe=replace(RECIPE, epochs=1))
    train(short, tmp_path)
    before = all_bytes(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(make_plan(recipe=replace(RECIPE, lr=1e-3)), tmp_path, Recorder(stop_after=1))
    listener = Recorder()
    train(short, tmp_path, listener)
    assert listener.begun == []
    assert before.items() <= all_bytes(tmp_path).items()


def test_measured_pixels_are_the_numbers_that_a_recipe_could_have_had(tmp_path: Path) -> None:
    """The card and the digest have the numbers, and lineage.json names what was measured."""
    short = replace(RECIPE, epochs=1)
    train(make_plan(recipe=replace(short, mean="auto", std="auto"), generations=0), tmp_path)
    assert read_lineage(tmp_path).measured == {"mean": PIXELS.mean, "std": PIXELS.std}
    card = load_model(tmp_path / "g0" / WEIGHTS_FILE)[1]
    assert (card.preprocessing["mean"], card.preprocessing["std"]) == (PIXELS.mean, PIXELS.std)
    literal = make_plan(recipe=replace(short, mean=PIXELS.mean, std=PIXELS.std))
    same = GenerationRun(literal, make_data(), "g0", (), tmp_path / "g0", ENGINE)
    assert same.find_finished() == read_generation(tmp_path / "g0")


@pytest.mark.slow
def test_the_initial_recipe_is_for_g0_alone(tmp_path: Path) -> None:
    listener = Recorder()
    short = replace(RECIPE, epochs=1)
    plan = make_plan(recipe=short, initial=replace(short, optimiser="adam"))
    train(plan, tmp_path, listener)
    assert [facts.recipe.optimiser for facts in listener.facts] == ["adam", "adamw"]


def test_a_teacher_of_another_input_size_is_refused(lineage: Path, tmp_path: Path) -> None:
    plan = make_plan(recipe=replace(RECIPE, input_size=20), teachers=(best_weights(lineage),))
    with pytest.raises(InputError, match="input_size"):
        train(plan, tmp_path)


def test_a_missing_teacher_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished lineage in .*nobody: run"):
        best_weights(tmp_path / "nobody")


def test_best_is_highest_on_validation_and_the_earlier_of_equals() -> None:
    generations = [generation("g0", 0.5), generation("g1", 0.7), generation("g2", 0.7)]
    assert best_generation(generations).name == "g1"
    assert best_generation([*generations, generation("g3", 0.7, loss=0.9)]).name == "g3"


@pytest.mark.parametrize(
    ("scores", "patience", "stopped"),
    [
        ([0.5], 1, False),
        ([0.5, 0.6], 1, False),
        ([0.5, 0.4], 1, True),
        ([0.5, 0.4], 2, False),
        ([0.5, 0.4, 0.45], 2, True),
        ([0.5, 0.4, 0.6], 2, False),
        ([0.5, 0.6, 0.6], 1, True),
    ],
)
def test_a_lineage_stops_when_generations_no_longer_improve(
    scores: list[float], patience: int, stopped: bool
) -> None:
    generations = [generation(f"g{i}", score) for i, score in enumerate(scores)]
    assert has_stopped(generations, patience) is stopped


def test_generations_count_the_born_again_ones() -> None:
    assert make_plan(generations=2).generation_names == ["g0", "g1", "g2"]
    assert make_plan(generations=2, teachers=(Path("t"),)).generation_names == ["g1", "g2"]


def spy_on_teachers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps at which any teacher computes its logits."""
    steps: list[int] = []
    logits = FrozenTeacher.logits

    def record(self: FrozenTeacher, view: View, position: StreamPosition) -> Tensor:
        steps.append(position.step)
        return logits(self, view, position)

    monkeypatch.setattr(FrozenTeacher, "logits", record)
    return steps


@pytest.mark.slow
def test_a_shared_teacher_runs_once_and_gives_the_same_students(
    lineage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(lineage="taught", teachers=(best_weights(lineage),))
    train(plan, tmp_path / "online")
    engine = Engine(recordings=tmp_path / "recorded", recordings_gib=1.0)
    calls = spy_on_teachers(monkeypatch)
    train(plan, tmp_path / "first", engine=engine)
    assert len(calls) == 6  # 24 clips in batches of 8, twice
    train(plan, tmp_path / "second", engine=engine)
    other = replace(RECIPE, alpha=0.3, seed=8, stream=RECIPE.seed)
    train(replace(plan, recipe=other), tmp_path / "other", engine=engine)
    assert len(calls) == 6
    weights = [
        (tmp_path / name / "g1" / WEIGHTS_FILE).read_bytes() for name in ("online", "second")
    ]
    assert weights[0] == weights[1] == (tmp_path / "first" / "g1" / WEIGHTS_FILE).read_bytes()
    monkeypatch.undo()
    train(replace(plan, recipe=other), tmp_path / "other-online")
    assert all_bytes(tmp_path / "other") == all_bytes(tmp_path / "other-online")


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{"seed": 9}, {"mixup": 0.0}, {"flip": 0.1}, {"batch": 6}, {"micro_batch": 4}]
)
def test_another_stream_is_not_taught_by_the_recording(
    lineage: Path, tmp_path: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    short = replace(RECIPE, epochs=1)
    plan = make_plan(lineage="taught", teachers=(best_weights(lineage),), recipe=short)
    engine = Engine(recordings=tmp_path / "recorded", recordings_gib=1.0)
    train(plan, tmp_path / "one", engine=engine)
    calls = spy_on_teachers(monkeypatch)
    train(replace(plan, recipe=replace(short, **changes)), tmp_path / "two", engine=engine)
    assert calls


@pytest.mark.slow
def test_a_recording_beyond_the_budget_is_not_started(lineage: Path, tmp_path: Path) -> None:
    plan = make_plan(lineage="taught", teachers=(best_weights(lineage),))
    engine = Engine(recordings=tmp_path / "recorded", recordings_gib=1e-9)
    train(plan, tmp_path / "work", engine=engine)
    assert not (tmp_path / "recorded").exists()


@pytest.mark.slow
def test_all_generations_of_a_lineage_may_teach_together(lineage: Path, tmp_path: Path) -> None:
    plan = make_plan(lineage="taught", teachers=all_weights(lineage))
    generations = train(plan, tmp_path)
    assert [g.teacher for g in generations] == ["rn-tcn-all"]
    assert read_lineage(tmp_path).teacher == "rn-tcn"


@pytest.mark.parametrize(
    ("models", "teacher", "lineage"),
    [
        (["big-g0"], "big-g0", "big"),
        (["rn18-gru-g0"], "rn18-gru-g0", "rn18-gru"),
        (["rn18-gru-g0", "rn18-gru-g1"], "rn18-gru-all", "rn18-gru"),
        (["big-g10", "other-gru-g0"], "big-g10 + other-gru-g0", "big + other-gru"),
        (["resnet18-grid.safetensors"], "resnet18-grid.safetensors", "resnet18-grid.safetensors"),
    ],
)
def test_the_lineages_of_a_teacher_are_in_its_name(
    models: list[str], teacher: str, lineage: str
) -> None:
    assert name_teacher(models) == teacher
    assert lineage_of(teacher) == lineage


class WarningRecorder(Recorder):
    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []

    def on_note(self, text: str) -> None:
        return

    def on_warning(self, text: str) -> None:
        self.warnings.append(text)


def test_a_lineage_may_start_from_weights_of_other_labels(lineage: Path, tmp_path: Path) -> None:
    model, card = load_model(best_weights(lineage))
    renamed = replace(card, labels=["x", "y", "z"])
    save_weights(tmp_path / "w.safetensors", model, renamed)
    listener = WarningRecorder()
    frozen = replace(RECIPE, lr=1e-30, weight_decay=0.0, epochs=1)
    plan = make_plan(recipe=frozen, start=tmp_path / "w.safetensors", generations=0)
    train(plan, tmp_path / "work", listener)
    started, own = load_model(tmp_path / "work" / "g0" / WEIGHTS_FILE)
    assert own.origin["started_from"] == card.origin["model"]
    start = digest_files([tmp_path / "w.safetensors"])
    assert read_generation(tmp_path / "work" / "g0").start == start
    assert {facts.start for facts in listener.facts} == {start}
    theirs, ours = model.state_dict(), started.state_dict()
    assert torch.equal(
        ours["trunk.stages.0.0.conv1.weight"], theirs["trunk.stages.0.0.conv1.weight"]
    )
    assert not torch.equal(ours["classifier.weight"], theirs["classifier.weight"])
    assert "classifier.bias, classifier.weight" in " ".join(listener.warnings)


def test_weights_that_fit_nowhere_are_named(lineage: Path, tmp_path: Path) -> None:
    spec = ModelSpec.parse("shufflenetv2_0.5x + dctcn")
    plan = make_plan(spec=spec, start=best_weights(lineage))
    with pytest.raises(InputError, match="no tensor that fits"):
        train(plan, tmp_path / "work")


def test_the_card_keeps_the_context_of_evaluation(tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=1, eval_context=2)
    train(make_plan(recipe=recipe, generations=0), tmp_path)
    _, card = load_model(tmp_path / "g0" / WEIGHTS_FILE)
    assert Recipe.for_input(card.preprocessing).eval_context == 2
    assert card.lengths == Lengths(make_data().train.longest, RECIPE.cut_share)


def test_generation_and_lineage_files_round_trip(tmp_path: Path) -> None:
    generations = [replace(generation("g0", 0.5), teacher="big-all"), generation("g1", 0.7)]
    for own in generations:
        write_generation(tmp_path / own.name, own)
    summary = LineageSummary.of("x", generations)
    write_lineage(tmp_path, summary)
    assert (summary.best, summary.teacher) == ("g1", "big")
    assert read_lineage(tmp_path) == summary
    assert read_generations(tmp_path) == generations


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"val_top1": 1.5}, r"val_top1 is 1\.5, not in 0\.\.1"),
        ({"val_loss": float("nan")}, "val_loss is nan, not a finite number"),
        ({"best_epoch": -1}, "best_epoch is -1, not a count"),
        ({"teacher": 3}, "teacher is 3, not a string"),
        ({"recipe": {"epochs": 0}}, r"recipe.epochs must be in 1\.\.100000"),
        ({"recipe": {"epoch": 1}}, "unexpected keyword argument 'epoch'"),
    ],
)
def test_a_damaged_generation_file_is_named(
    tmp_path: Path, changes: dict[str, object], fault: str
) -> None:
    write_generation(tmp_path, generation("g0", 0.5))
    path = tmp_path / "generation.json"
    found = read_json(path)
    assert isinstance(found, dict)
    write_json(path, {**found, **changes})
    with pytest.raises(InputError, match=rf"generation\.json.*{fault}.*dvc repro"):
        read_generation(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"lineage": "x"}'])
def test_a_damaged_lineage_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "lineage.json").write_text(text)
    with pytest.raises(InputError, match=r"lineage\.json .*dvc repro"):
        read_lineage(tmp_path)


def test_the_best_generation_must_be_one_of_the_lineage(tmp_path: Path) -> None:
    summary = LineageSummary.of("x", [generation("g0", 0.5)])
    write_lineage(tmp_path, replace(summary, best="g3"))
    with pytest.raises(InputError, match="best is g3, not one of its generations"):
        read_lineage(tmp_path)
