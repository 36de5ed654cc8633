"""A made-up profile whose models have real weights, and a leaderboard: what publish reads."""

import csv
from dataclasses import replace
from pathlib import Path

import torch

from lipnet.files import write_json
from lipnet.lineage.generation import read_generation, write_generation
from lipnet.lineage.selection import write_selection
from lipnet.models.build import build_model
from lipnet.models.weights import ModelCard, save_weights
from lipnet.spec import ModelSpec
from pipeline.paths import Paths
from tests.lipnet.report.fabricated import LABELS, Fake, fabricate

SPEC = "shufflenetv2_0.5x + tcn_0.25x"
FAKES = (Fake("big", SPEC, None, (0.7, 0.75)), Fake("small-by-big", SPEC, "big-g1", (0.6,)))
MODELS = ("big-g0", "big-g1", "small-by-big-g1")


def fabricate_finished(paths: Paths) -> None:
    """Three models, one ensemble and a report, below the working directory's data/."""
    fabricate(paths.study, FAKES, clips=12)
    write_selection(paths.logits_val, paths.study.selection)
    write_json(
        paths.shards / "summary.json",
        {"fingerprint": "f" * 16, "splits": {"train": {"clips": 480}, "val": {"clips": 12}}},
    )
    for described in sorted(paths.models.glob("*/g*/generation.json")):
        write_weights(described.with_name("weights.safetensors"))
    write_leaderboard(paths.study.report / "leaderboard.csv")
    (paths.report / "report.md").write_text("# Report\n")
    (paths.report / "figures").mkdir()
    (paths.report / "figures" / "cost.svg").write_text("<svg/>")


def write_weights(path: Path, seed: int = 0) -> None:
    """Untrained weights with a card that says how to feed them."""
    torch.manual_seed(seed)
    seen: dict[str, object] = {"size": 96, "field": 88, "input_size": 44, "mean": 0.4, "std": 0.2}
    model = build_model(ModelSpec.parse(SPEC), len(LABELS))
    save_weights(path, model, ModelCard(SPEC, sorted(LABELS), seen))


def write_leaderboard(path: Path, *, latency: float = 3.5) -> None:
    """A row for each model and one for an ensemble, as the report writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ("model", "spec", "members", "chosen", "params_m", "test_top1", "latency_p50_ms")
    rows = [(name, SPEC, "", int(name == "big-g1"), 1.5, 0.7, latency) for name in MODELS]
    rows.append(("ensemble-big", "", "big-g0 big-g1", "", 3.0, 0.8, ""))
    with path.open("w", newline="") as out:
        csv.writer(out).writerows([names, *rows])


def retrain(paths: Paths, lineage: str, generation: str) -> None:
    """As if the model had been trained again from other inputs."""
    folder = paths.lineage(lineage) / generation
    write_generation(folder, replace(read_generation(folder), fingerprint="e" * 16))
    write_weights(folder / "weights.safetensors", seed=1)
