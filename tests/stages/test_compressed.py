"""The stage `compressed`: a lineage whose model is another one's in a smaller file."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from lipnet.data.loader import open_split
from lipnet.data.shrink import Shrink
from lipnet.errors import InputError
from lipnet.inference.onnx_reader import load_onnx
from lipnet.lineage.generation import Generation, model_file, read_generation, write_generation
from lipnet.lineage.summary import LineageSummary, read_lineage, write_lineage
from lipnet.measure.accuracy import topk
from lipnet.models.weights import WIDTHS, copy_weights, is_packed, load_card, load_model
from lipnet.train.history import read_history
from pipeline.paths import Paths
from stages import compressed, progress
from stages.compressed import main
from stages.predict import predict_split
from tests.lipnet.inference.embedding import (
    RECIPE,
    THRESHOLDS,
    add_widths,
    write_shards,
    write_weights,
)
from tests.pipeline.test_params import write
from tests.stages.working import Untracked

SPEC = "resnet18_0.125x + tcn_0.25x"
ROWS = {
    "small-int8": {"of": "small", "how": "int8"},
    "small-int3": {"of": "small", "how": "int3", "recipe": {"epochs": 1}},
    "wide-half": {"of": "wide", "how": "width_0.5"},
    "wide-half-int8": {"of": "wide", "how": "width_0.5 + int8"},
    "wide-half-w8a8": {"of": "wide", "how": "width_0.5 + w8a8"},
    "deep-early-cluster4": {"of": "deep", "how": "exit1 + cluster4"},
}
WIDE = "resnet18_0.25x + tcn_0.5x"
DEEP = "resnet18_0.125x + tcn_0.25x + exits"


class Seen(Untracked):
    """Keeps the identity of each run."""

    def __init__(self, profile: str, identity: Any) -> None:
        super().__init__(profile, identity)
        SEEN.append(identity)


SEEN: list[Any] = []


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Generation]:
    """Runs the stage in a made-up profile whose lineage `small` has one model."""
    SEEN.clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "ModelRun", Seen)
    recipe = {"field": 60, "input_size": 32, "batch": 3, "epochs": 4, "mixup": 0.4}
    scratch = {
        "small": {"spec": SPEC},
        "wide": {"spec": WIDE, "widths": [1, 0.5]},
        "deep": {"spec": DEEP},
    }
    write(tmp_path, recipe=recipe, scratch=scratch, taught={}, compressed=ROWS)
    paths = Paths("tiny")
    write_shards(paths.shards, ("train", "val"))
    for lineage, spec, widths in (
        ("small", SPEC, ()),
        ("wide", WIDE, (1, 0.5)),
        ("deep", DEEP, ()),
    ):
        folder = paths.lineage(lineage) / "g0"
        folder.mkdir(parents=True)
        write_weights(folder / "weights.safetensors", spec)
        made = Generation("g0", "x-g0", None, spec, RECIPE, 0, 0.5, 1.0, 1.0, "f" * 16)
        if widths:
            add_widths(folder / "weights.safetensors", widths)
        write_generation(folder, replace(made, widths=widths))
        write_lineage(paths.lineage(lineage), LineageSummary.of(lineage, [made]))

    def run_stage(lineage: str) -> Generation:
        monkeypatch.setattr(sys, "argv", ["compressed", lineage])
        main()
        return read_generation(paths.lineage(lineage) / "g1")

    return run_stage


@pytest.mark.slow
def test_a_width_is_an_ordinary_model_packed_or_not(run: Callable[[str], Generation]) -> None:
    source = Paths("tiny").lineage("wide") / "g0" / "weights.safetensors"
    narrow = load_model(source, width=0.5)[0]
    rows = ("wide-half", "wide-half-int8")
    made, packed = map(run, rows)
    paths = [Paths("tiny").lineage(name) / "g1" / "weights.safetensors" for name in rows]
    for own, path in zip((made, packed), paths, strict=True):
        assert own.spec == "resnet18_0.125x + tcn_0.25x" == load_card(path).spec
        assert WIDTHS not in load_card(path).origin
        assert own.packing is not None
        assert own.packing.source_bytes == source.stat().st_size
    assert [is_packed(path) for path in paths] == [False, True]
    loaded = load_model(paths[0])[0].state_dict()
    assert all(torch.equal(own, loaded[name]) for name, own in narrow.state_dict().items())
    weights = load_model(paths[1])[0].get_parameter("classifier.weight")
    torch.testing.assert_close(weights, narrow.classifier.weight, atol=0.02, rtol=0.1)


@pytest.mark.slow
def test_an_exit_is_packed_like_an_ordinary_model(run: Callable[[str], Generation]) -> None:
    early = load_model(Paths("tiny").lineage("deep") / "g0" / "weights.safetensors", exit=1)[0]
    made = run("deep-early-cluster4")
    path = Paths("tiny").lineage("deep-early-cluster4") / "g1" / "weights.safetensors"
    assert is_packed(path)
    assert made.spec == load_card(path).spec == "resnet18_0.125x + dstcn_0.125x + stages2"
    name = "head.blocks.1.layer1.branches.0.point.weight"
    stored, source = (model.get_parameter(name) for model in (load_model(path)[0], early))
    assert len(stored.unique()) <= 16 < len(source.unique())
    torch.testing.assert_close(stored, source, atol=0.05, rtol=0.1)


@pytest.mark.slow
def test_a_row_is_a_lineage_with_its_size_and_its_source(
    run: Callable[[str], Generation], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Paths("tiny").lineage("small-int8") / "g1"
    weights, source = (
        folder / "weights.safetensors",
        Paths("tiny").lineage("small") / "g0" / "weights.safetensors",
    )
    copy_weights(source, source, THRESHOLDS)
    made = run("small-int8")
    assert load_card(weights).spotting is None
    assert is_packed(weights)
    assert made.packing is not None
    assert (made.packing.of, made.packing.how, made.packing.epochs) == ("x-g0", "int8", 0)
    assert made.packing.file_bytes == weights.stat().st_size
    assert made.packing.source_bytes == source.stat().st_size > 3 * weights.stat().st_size
    assert (made.model, made.teacher, made.spec) == ("small-int8-g1", None, SPEC)
    origin = load_card(weights).origin
    assert (origin["model"], origin["fingerprint"]) == (made.model, made.fingerprint)
    assert read_history(folder / "history.csv") == []
    assert read_lineage(folder.parent).best == "g1"
    assert "small-int8-g1: validation top-1" in capsys.readouterr().out
    before = weights.read_bytes()
    assert run("small-int8") == made
    assert weights.read_bytes() == before
    write_generation(folder, replace(made, packing=replace(made.packing, file_bytes=0)))
    with pytest.raises(InputError, match=r"generation\.json is damaged .*0 bytes"):
        read_generation(folder)


@pytest.mark.slow
def test_w8a8_is_a_graph_that_onnx_runtime_computes(
    run: Callable[[str], Generation],
) -> None:
    run("wide-half")
    made = run("wide-half-w8a8")
    folder = Paths("tiny").lineage("wide-half-w8a8") / "g1"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("generation.json", "history.csv", "model.onnx"),
    ]
    graph = model_file(folder)
    assert made.packing is not None
    how = "width_0.5 + w8a8"
    assert (made.packing.how, made.packing.file_bytes) == (how, graph.stat().st_size)
    assert "QuantizeLinear" in {node.op_type for node in onnx.load(graph).graph.node}
    _, card, facts = load_onnx(graph)
    assert (card.origin["how"], card.origin["fingerprint"]) == (how, made.fingerprint)
    assert card.spec == made.spec == "resnet18_0.125x + tcn_0.25x"
    assert (facts.precision, facts.calibration["clips"]) == ("int8", 5)
    clips = open_split(Paths("tiny").shards, "val", shrink=Shrink.for_recipe(made.recipe))
    saved = predict_split(graph, clips, made.recipe, torch.device("cpu"))
    assert topk(saved.logits, saved.labels, 1).mean() == made.val_top1
    source = predict_split(
        Paths("tiny").lineage("wide-half") / "g1" / "weights.safetensors",
        clips,
        made.recipe,
        torch.device("cpu"),
    )
    apart = abs(saved.logits - source.logits).max() / source.logits.std()
    assert 0 < apart < 0.5


@pytest.mark.slow
def test_a_row_with_a_recipe_is_taught_by_its_source_and_completed_after_an_interruption(
    run: Callable[[str], Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(work: Path, **_: object) -> None:
        raise InputError("the power failed")

    with monkeypatch.context() as patch:
        patch.setattr(compressed, "note_packing", fail)
        with pytest.raises(InputError, match="the power failed"):
            run("small-int3")
    assert not Paths("tiny").lineage("small-int3").exists()
    made = run("small-int3")
    assert len(SEEN) == 1  # not trained again
    assert made.packing is not None
    assert (made.packing.how, made.packing.epochs, made.teacher) == ("int3", 1, "x-g0")
    recipe = made.recipe
    assert (recipe.epochs, recipe.mixup, recipe.schedule) == (1, 0.0, "cosine_by_step")
    assert (SEEN[0].tags["kind"], SEEN[0].params["how"]) == ("compressed", "int3")
    folder = Paths("tiny").lineage("small-int3") / "g1"
    assert is_packed(folder / "weights.safetensors")
    assert len(read_history(folder / "history.csv")) == 1
