"""What the training stages share: the lineage's name, its lock, and moving into place."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lipnet.data.loader import MemoryStore, ShardStream
from lipnet.errors import InputError
from lipnet.lineage.plan import LineagePlan
from lipnet.models.lengths import Lengths
from lipnet.recipe import Recipe
from lipnet.shards.summary import SplitSummary, write_summary
from lipnet.spec import ModelSpec
from lipnet.train.engine import Engine
from lipnet.train.processes import OneProcess
from pipeline.params import load_params
from pipeline.paths import Paths
from stages import scratch
from stages import train as training
from stages.train import named_lineage, open_data, publish_lineage, sole_writer, warn_of_pixels
from tests.lipnet.inference.embedding import write_shards
from tests.lipnet.report.fabricated import summarize
from tests.pipeline.test_params import write


def test_a_wrong_lineage_is_named_with_the_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["scratch", "rn19"])
    with pytest.raises(InputError, match="'rn19'; known: rn18"):
        named_lineage(["rn18"], "scratch")
    monkeypatch.setattr(sys, "argv", ["scratch"])
    with pytest.raises(InputError, match=r"usage: python -m stages\.scratch LINEAGE"):
        named_lineage(["rn18"], "scratch")


def test_a_lineage_has_one_writer_at_a_time(tmp_path: Path) -> None:
    with sole_writer(tmp_path / "rn18"), pytest.raises(InputError, match="another process"):
        sole_writer(tmp_path / "rn18").__enter__()
    with sole_writer(tmp_path / "rn18"):
        assert (tmp_path / "rn18").is_dir()


@pytest.mark.parametrize(
    ("generations", "initial", "refused"),
    [(1, {}, True), (1, {"micro_batch": 4}, True), (0, {"micro_batch": 4}, False)],
)
def test_what_cannot_be_shared_is_reported_before_ray_starts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    generations: int,
    initial: dict[str, int],
    refused: bool,
) -> None:
    """By the recipe of each generation that there is, and not by that of one that there is not."""
    monkeypatch.chdir(tmp_path)
    entry = {"spec": "resnet18 + tcn_1x", "generations": generations, "initial": initial}
    write(tmp_path, compute={"workers": 2}, scratch={"a": entry}, taught={})
    clips = summarize({"train": SplitSummary(24, {}, 1)})
    write_summary(Paths("tiny").shards, clips, ["A", "B"])

    def start(*_: object) -> None:
        raise InputError("Ray was started")

    monkeypatch.setattr(training, "train_together", start)
    monkeypatch.setattr(sys, "argv", ["scratch", "a"])
    fault = "8 clips in 1 micro-batch cannot be shared by 2 processes: set recipe.micro_batch to 4"
    with pytest.raises(InputError, match=fault if refused else "Ray was started"):
        scratch.main()


class Shared(OneProcess):
    """One of several processes, which train nothing here."""

    def __init__(self, rank: int, world_size: int) -> None:
        self.rank, self.world_size = rank, world_size


def test_the_main_process_has_the_whole_budget_for_validation_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_shards(Paths("tiny").shards, ("train", "val"))
    plan = LineagePlan("rn18", ModelSpec.parse("resnet18 + tcn_1x"), Recipe(), generations=0)
    needed = 5 * 7 * plan.recipe.stored_size**2 / 2**30  # five clips of up to 7 frames
    params = load_params(write(tmp_path, workers={"memory_gib": 1.5 * needed}))

    def kinds(rank: int, world_size: int) -> list[type]:
        data = open_data(params, plan, Engine(processes=Shared(rank, world_size)))
        return [type(data.train), type(data.val)]

    assert kinds(0, 1) == [MemoryStore, MemoryStore]
    assert kinds(0, 2) == [ShardStream, MemoryStore]
    assert kinds(1, 2) == [ShardStream, ShardStream]


def test_the_shortest_clip_is_known_if_every_clip_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shards = write_shards(Paths("tiny").shards, ("train", "val"))
    plan = LineagePlan("rn18", ModelSpec.parse("resnet18 + tcn_1x"), Recipe(), generations=0)
    whole = replace(plan.recipe, variable_length=False)

    def lengths(recipe: Recipe) -> Lengths:
        return open_data(load_params(write(tmp_path)), plan, Engine()).find_lengths(recipe)

    assert lengths(whole) == Lengths(7, 0.0, shortest=3)
    assert lengths(plan.recipe) == Lengths(7, 1.0)  # how short the words are is not listed
    (shards / "train" / "000000.csv").unlink()
    assert lengths(whole) == Lengths(7, 0.0)


def test_what_to_set_for_crops_of_another_brightness_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe, crops = Recipe(), summarize({})
    plan = LineagePlan("rn18", ModelSpec.parse("resnet18 + tcn_1x"), recipe, generations=0)
    dark = replace(crops, pixel_mean=0.2, pixel_std=0.1)
    warn_of_pixels(plan, replace(crops, pixel_mean=0.42, pixel_std=0.17))
    warn_of_pixels(replace(plan, start=Path("weights.safetensors")), dark)
    assert capsys.readouterr().err == ""
    warn_of_pixels(plan, dark)
    assert 'SET="recipe.mean=0.200 recipe.std=0.100"' in capsys.readouterr().err
    warn_of_pixels(replace(plan, recipe=replace(recipe, mean="auto", std="auto")), dark)
    assert capsys.readouterr() == ("rn18: normalised by mean 0.2 and deviation 0.1\n", "")


def test_a_finished_lineage_moves_whole_and_without_what_served_resuming(tmp_path: Path) -> None:
    work, place = tmp_path / "work", tmp_path / "models" / "rn18"
    (work / "g0").mkdir(parents=True)
    (work / "g5").mkdir()
    (work / "g0.89abcdef01234567").mkdir()
    finished = ["g0/generation.json", "g0/history.csv", "g0/weights.safetensors", "lineage.json"]
    aside = ["g1.checkpoint.89abcdef01234567", "g0.89abcdef01234567/history.csv"]
    leftovers = [".g1.checkpoint.77.tmp", "g1.checkpoint", "g5/history.csv", "progress.jsonl"]
    for name in finished + leftovers + aside:
        (work / name).touch()
    (place / "g7").mkdir(parents=True)
    publish_lineage(work, place, ["g0"])
    kept = sorted(str(p.relative_to(place)) for p in place.rglob("*") if p.is_file())
    assert kept == finished
    assert not work.exists()
