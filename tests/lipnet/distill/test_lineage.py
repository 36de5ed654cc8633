"""Lineages: generations in order, who teaches whom, when they stop, and how they resume."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lipnet.distill.generation import (
    Generation,
    best_generation,
    best_weights,
    read_generations,
)
from lipnet.distill.lineage import (
    LineageData,
    LineagePlan,
    generation_names,
    has_stopped,
    train_lineage,
)
from lipnet.errors import InputError
from lipnet.files import read_json
from lipnet.spec import ModelSpec
from lipnet.train.history import EpochRecord
from lipnet.train.recipe import Recipe
from tests.lipnet.clips import make_store

RECIPE = Recipe(lr=3e-3, batch=8, epochs=2, input_size=24, mixup=0.4, seed=3)
SPEC = ModelSpec.parse("resnet18_0.125x + tcn_0.125x")
CPU = torch.device("cpu")


class Heard:
    """A listener that keeps what it heard and can stop the training after some epochs."""

    def __init__(self, stop_after: int = 10**6) -> None:
        self.begun: list[str] = []
        self.facts: list[Mapping[str, Any]] = []
        self.epochs = 0
        self.stop_after = stop_after

    def begin(self, model: str, facts: Mapping[str, Any]) -> "Heard":
        self.begun.append(model)
        self.facts.append(facts)
        return self

    def end(self, generation: Generation) -> None: ...

    def on_batch(self, done: int, total: int) -> None: ...

    def on_warning(self, text: str) -> None: ...

    def on_epoch(self, record: EpochRecord) -> None:
        self.epochs += 1
        if self.epochs == self.stop_after:
            raise KeyboardInterrupt


def make_data(digest: str = "d") -> LineageData:
    return LineageData(
        make_store(24), make_store(9, seed=1), ["a", "b", "c"], {"fps": 25.0}, digest
    )


def make_plan(**changes: Any) -> LineagePlan:
    plan = LineagePlan("rn-tcn", SPEC, RECIPE, generations=1, patience=3)
    return replace(plan, **changes)


def train(plan: LineagePlan, work: Path, heard: Heard | None = None) -> list[Generation]:
    heard = heard or Heard()
    return train_lineage(plan, make_data(), work=work, device=CPU, listener=heard)


def all_bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def lineage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("lineage") / "rn-tcn"
    train(make_plan(), work)
    return work


def generation(name: str, top1: float, loss: float = 1.0) -> Generation:
    return Generation(name, f"x-{name}", None, "s", {}, 0, top1, 1.0, loss, "f")


def test_a_scratch_lineage_is_born_again_from_itself(lineage: Path) -> None:
    assert [(g.model, g.teacher) for g in read_generations(lineage)] == [
        ("rn-tcn-g0", None),
        ("rn-tcn-g1", "rn-tcn-g0"),
    ]


def test_a_taught_lineage_starts_at_g1_with_the_best_of_its_teacher(
    lineage: Path, tmp_path: Path
) -> None:
    spec = ModelSpec.parse("resnet18_0.125x + dstcn_0.125x")
    plan = make_plan(lineage="ds-by-rn", spec=spec, teacher=best_weights(lineage))
    generations = train(plan, tmp_path / "ds-by-rn")
    described = read_json(lineage / "lineage.json")
    assert isinstance(described, dict)
    assert [(g.name, g.teacher) for g in generations] == [("g1", f"rn-tcn-{described['best']}")]
    taught = read_json(tmp_path / "ds-by-rn" / "lineage.json")
    assert isinstance(taught, dict)
    assert taught["teacher"] == "rn-tcn"


def test_an_interrupted_lineage_ends_with_the_same_bytes(lineage: Path, tmp_path: Path) -> None:
    for epochs in (1, 1, 1):
        with pytest.raises(KeyboardInterrupt):
            train(make_plan(), tmp_path, Heard(stop_after=epochs))
    train(make_plan(), tmp_path)
    assert all_bytes(tmp_path) == all_bytes(lineage)


def test_finished_generations_are_not_trained_again(lineage: Path, tmp_path: Path) -> None:
    shutil.copytree(lineage, tmp_path / "again")
    heard = Heard()
    train(make_plan(), tmp_path / "again", heard)
    assert heard.begun == []


def test_a_generation_of_another_recipe_is_trained_again(lineage: Path, tmp_path: Path) -> None:
    shutil.copytree(lineage, tmp_path / "again")
    heard = Heard()
    train(make_plan(recipe=replace(RECIPE, lr=1e-3)), tmp_path / "again", heard)
    assert heard.begun == ["rn-tcn-g0", "rn-tcn-g1"]


def test_the_initial_recipe_is_for_g0_alone(tmp_path: Path) -> None:
    heard = Heard()
    short = replace(RECIPE, epochs=1)
    plan = make_plan(recipe=short, initial=replace(short, optimiser="adam"))
    train(plan, tmp_path, heard)
    assert [facts["recipe"]["optimiser"] for facts in heard.facts] == ["adam", "adamw"]


def test_a_teacher_of_another_input_size_is_refused(lineage: Path, tmp_path: Path) -> None:
    plan = make_plan(recipe=replace(RECIPE, input_size=20), teacher=best_weights(lineage))
    with pytest.raises(InputError, match="input_size"):
        train(plan, tmp_path)


def test_a_missing_teacher_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train it first"):
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
    assert generation_names(make_plan(generations=2)) == ["g0", "g1", "g2"]
    assert generation_names(make_plan(generations=2, teacher=Path("t"))) == ["g1", "g2"]
