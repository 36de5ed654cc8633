"""What follows the shards of a corpus of LRW's size: quality page, DVC, preflight, flow, report.

Steps of benchmarks/scale.py, in a clone of HEAD with the profile `lrw`. Crops are grey pictures,
models have no weights, and nothing is stale: every stage's task in the flow ends as unchanged.
"""
# N clips  K classes

import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np

from flows.command import Commands
from flows.graph import dvc_environment, read_graph, read_stale
from flows.walk import Walk
from lipnet.clip import CLIP_FRAMES
from lipnet.crops.crop import CropOptions
from lipnet.inference.logits import SavedLogits, write_logits
from lipnet.lineage.generation import Generation, write_generation
from lipnet.lineage.summary import LineageSummary, write_lineage
from lipnet.quality import sheets
from lipnet.quality.facts import QualityFolders, gather
from lipnet.recipe import Recipe
from lipnet.report.study import Study
from lipnet.report.write import write_report
from lipnet.selection.selection import write_selection
from lipnet.shards.codec import Crops
from lipnet.shards.meta import ClipMeta
from lipnet.shards.storage import ShardRef
from lipnet.shards.summary import read_labels, read_summary
from lipnet.shards.table import ClipRow
from lipnet.train.history import EpochRecord, write_history
from pipeline import disk, preflight
from pipeline.estimate import Machine
from pipeline.machine import Rated
from pipeline.params import load_params
from pipeline.paths import Paths
from stages.quality import write_report as write_quality

ROOT = Path(__file__).resolve().parents[1]
PROFILE = "lrw"
TRACKED = ("raw", "manifest", "landmarks", "shards")
# Lineages of made-up models, of four generations each
SPECS = {"rn18": "resnet18 + mstcn_3x", "sn10": "shufflenetv2_1x + tcn_1x"}
GENERATIONS = 4
SKILL = 4.0  # added to the logit of the right label


def clone(work: Path, corpus: Path) -> None:
    """A clone of HEAD at `work`, with the profile on the corpus."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(work)], check=True)
    command = [sys.executable, "-m", "pipeline.profile", PROFILE, f"source.root={corpus}"]
    subprocess.run(command, cwd=work, env=dvc_environment(), check=True)


def write_quality_page(paths: Paths) -> None:
    """The stage quality, whole, with grey crops."""
    folders = QualityFolders(paths.manifest, paths.landmarks, paths.shards)
    quality = gather(PROFILE, folders, CropOptions(), Recipe())
    with patch.object(sheets, "read_clip", _grey_clip):
        write_quality(paths.quality, quality)


def _grey_clip(ref: ShardRef, row: ClipRow) -> tuple[Crops, ClipMeta]:
    return np.full((CLIP_FRAMES, 96, 96), 128, np.uint8), ClipMeta(row.clip_id, "", 0, 9, 20)


def commit(paths: Paths) -> None:
    """What `dvc repro` does after its stages: hash their outputs and link them to the cache."""
    command = [sys.executable, "-m", "dvc", "commit", "--quiet", "--force", *TRACKED]
    subprocess.run(command, env=dvc_environment(), check=True)


def ask_status(paths: Paths) -> None:
    """`dvc status`; the stages whose outputs are committed must be unchanged."""
    stale = read_stale(Path())
    if stale & set(TRACKED):
        raise SystemExit(f"dvc status: {', '.join(sorted(stale & set(TRACKED)))} changed")


def check_plan(paths: Paths) -> None:
    """`pipeline.preflight` for one H200, with the corpus compared with its inventory."""
    rated = Rated(Machine(16, 180_000.0, "cuda"), "given")
    with (
        patch.object(sys, "argv", ["preflight"]),
        patch.object(preflight, "rate_machine", lambda asked: rated),
        patch.object(disk, "check_room", lambda needs: None),  # this disk is smaller
    ):
        preflight.main()


def walk_flow(paths: Paths) -> None:
    """The graph by `dvc dag`, and the walk over it with a temporary server of Prefect's own."""
    from prefect import flow
    from prefect.testing.utilities import prefect_test_harness

    @flow
    def walk() -> None:
        found = Walk(Path(), read_graph(Path()), set(), commands=Commands())
        found.run(1)
        print(f"{len(found.states)} stages")

    with prefect_test_harness(server_startup_timeout=600):
        walk()


def make_models(paths: Paths) -> None:
    """Eight models with logits for validation and test: not what is measured."""
    study, labels = paths.study, len(read_labels(paths.shards))
    for lineage, spec in SPECS.items():
        made: list[Generation] = []
        for number in range(GENERATIONS):
            name = f"g{number}"
            for split in ("val", "test"):
                clips = read_summary(paths.shards).splits[split].clips
                logits = guess(split, clips, labels, seed=len(made) + 10 * len(lineage))
                write_logits(study.logits(lineage, name, split), logits)
            made.append(describe_model(lineage, spec, number))
            write_generation(study.lineage(lineage) / name, made[-1])
            write_history(study.lineage(lineage) / name / "history.csv", [HISTORY])
        write_lineage(study.lineage(lineage), LineageSummary.of(lineage, made))


HISTORY = EpochRecord(
    epoch=0,
    lr=3e-4,
    train_loss=1.0,
    train_ce=1.0,
    train_kd=0.0,
    val_loss=1.0,
    val_top1=0.5,
    val_top5=0.9,
    best=True,
)


def describe_model(lineage: str, spec: str, number: int) -> Generation:
    """The facts of a made-up model."""
    return Generation(
        name=f"g{number}",
        model=f"{lineage}-g{number}",
        teacher=f"{lineage}-g{number - 1}" if number else None,
        spec=spec,
        recipe=Recipe(epochs=1),
        best_epoch=0,
        val_top1=0.5,
        val_top5=0.9,
        val_loss=1.0,
        fingerprint=f"{number:016x}",
    )


def guess(split: str, clips: int, labels: int, *, seed: int) -> SavedLogits:
    """Logits that are often right."""
    random = np.random.default_rng(seed)
    right_N = np.arange(clips) % labels
    logits_NK = random.standard_normal((clips, labels), np.float32)
    logits_NK[np.arange(clips), right_N] += SKILL
    ids = np.array([f"WORD{number % labels:03d}/{split}/{number:06d}" for number in range(clips)])
    empty = np.array([""] * clips)
    return SavedLogits(logits_NK, right_N.astype(np.int64), ids, ids, empty, empty)


def report(paths: Paths) -> None:
    """The stages select and report."""
    study: Study = paths.study
    write_selection(study.logits_val, study.selection)
    write_report(study, {"source": load_params().source.name})
