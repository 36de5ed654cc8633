"""A made-up profile whose models have real weights, and a leaderboard: what publish reads."""

from dataclasses import replace
from pathlib import Path

import torch

from lipnet.lineage.generation import read_generation, write_generation
from lipnet.models.build import build_model
from lipnet.models.weights import ModelCard, save_weights
from lipnet.report.csv_rows import write_rows
from lipnet.report.rows import ComparisonRow, Fit, LeaderboardRow, RowLatency, Score
from lipnet.report.study import Study
from lipnet.selection.selection import write_selection
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
    for described in sorted(paths.models.glob("*/g*/generation.json")):
        write_weights(described.with_name("weights.safetensors"))
    write_leaderboard(paths.study)
    (paths.report / "report.md").write_text("# Report\n")
    (paths.report / "report.html").write_text(
        '<p>Every pair is in <a href="tables/comparisons.csv">tables/comparisons.csv</a>, '
        'see <a href="https://dvc.org">DVC</a>'
    )
    (paths.report / "tables").mkdir()
    questions = {
        "small-by-big-g1": "distilled over scratch",
        "ensemble-big": "ensemble over its best member",
    }
    pairs = [
        ComparisonRow(question, "big-g0", model, SPEC, "test", 0.1, 0.0, 0.2, 12, 12)
        for model, question in questions.items()
    ]
    write_rows(paths.report / "tables" / "comparisons.csv", ComparisonRow, pairs)
    (paths.report / "figures").mkdir()
    (paths.report / "figures" / "cost.svg").write_text("<svg/>")


def write_weights(path: Path, seed: int = 0) -> None:
    """Untrained weights with a card that describes their input."""
    torch.manual_seed(seed)
    seen: dict[str, object] = {"size": 96, "field": 88, "input_size": 44, "mean": 0.4, "std": 0.2}
    model = build_model(ModelSpec.parse(SPEC), len(LABELS))
    save_weights(path, model, ModelCard(SPEC, sorted(LABELS), seen))


def write_leaderboard(study: Study, *, latency: float = 3.5) -> None:
    """results.csv and leaderboard.csv, with a row per model and one for an ensemble."""
    rows = [model_row(name, latency) for name in MODELS]
    members = ("big-g0", "big-g1")
    ensemble = replace(
        model_row("ensemble-big", latency), members=members, fit=None, chosen=None, latency=None
    )
    rows.append(ensemble)
    results = [replace(row, latency=None) for row in rows]
    write_rows(study.report / "results.csv", LeaderboardRow, results)
    write_rows(study.report / "leaderboard.csv", LeaderboardRow, rows)


def model_row(name: str, latency: float = 3.5) -> LeaderboardRow:
    """The row of a model that is 70 % right."""
    score = Score(0.7, 0.6, 0.8, 0.9, 0.85, 0.95, clips=12, units=12)
    lineage, _, generation = name.rpartition("-")
    return LeaderboardRow(
        model=name,
        lineage=lineage,
        generation=generation,
        spec=SPEC,
        teacher="",
        training="scratch",
        rule="",
        members=(),
        chosen=name == "big-g1",
        params_m=1.5,
        gflops=0.25,
        gmacs=0.24,
        fit=Fit(input_size=44, epochs=4, best_epoch=2, seed=1, val_loss=0.5, optimiser="adamw"),
        val=score,
        test=score,
        unseen=None,
        latency=RowLatency(latency, latency + 1, 1, "Abacus"),
    )


def retrain(paths: Paths, lineage: str, generation: str) -> None:
    """Change the model as training from other inputs would."""
    folder = paths.lineage(lineage) / generation
    write_generation(folder, replace(read_generation(folder), fingerprint="e" * 16))
    write_weights(folder / "weights.safetensors", seed=1)
