"""Bring MLflow level with data/<profile>: every model, its epochs and figures, and the report.

A stage that DVC restored or pulled ran no code, and MLflow may have been out of reach while one
trained; this fills in what is missing. It is idempotent, and no DVC stage itself.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from lipnet.errors import InputError
from lipnet.files import digest_files, digest_of, read_json, write_json
from lipnet.lineage.generation import WEIGHTS_FILE, Generation, read_generation
from lipnet.lineage.summary import LINEAGE_FILE, read_lineage
from lipnet.report.leaderboard import write_leaderboard
from pipeline.params import load_params
from pipeline.paths import Paths
from pipeline.program import run_program
from tracking.experiment import DatasetFacts, Experiment, Identity
from tracking.uri import shown_uri

# Columns of numbers that are no figures: keys, choices and what the parameters say already.
NO_FIGURES = {"epoch", "best", "chosen", "epochs", "input_size", "seed"}
REPORT_FILES = ("leaderboard.csv", "report.md", "report.html", "metrics.json")
Row = Mapping[str, str]


@dataclass(frozen=True)
class ModelFolder:
    """One finished model on disk: its generation.json and the folder of its files."""

    folder: Path
    kind: str
    generation: Generation

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS_FILE

    @property
    def model_id(self) -> str:
        return self.generation.model


@dataclass
class Published:
    """What a call found and what it had to add."""

    models: int = 0
    ensembles: int = 0
    epochs_filled: int = 0
    models_logged: int = 0
    registered: int = 0
    superseded: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        added = f"{self.models_logged} models and {self.epochs_filled} figures by epoch added"
        added += f", {self.registered} versions registered" if self.registered else ""
        retired = f", {len(self.superseded)} superseded" if self.superseded else ""
        return f"{self.models} models and {self.ensembles} ensembles; {added}{retired}"


def main() -> None:
    """Publish the profile that params.yaml names."""
    params = load_params()
    paths = Paths(params.profile)
    write_leaderboard(
        paths.study
    )  # untracked, so a restore from DVC's cache leaves none or an old one
    published = publish(paths, source=params.source.name)
    print(f"MLflow ({shown_uri()}): {published}", flush=True)


def publish(paths: Paths, *, source: str) -> Published:
    """Make MLflow agree with the profile's folder; a second call changes nothing."""
    experiment = Experiment.open(paths.profile)
    rows = read_leaderboard(paths.report / "leaderboard.csv")
    dataset = describe_dataset(paths)
    published = Published()
    current: dict[str, str] = {}
    fingerprints: dict[str, str] = {}
    for model in find_models(paths.models):
        identity = Identity.of(
            model.model_id, model.generation.facts, kind=model.kind, source=source
        )
        run_id = experiment.ensure_run(identity)
        publish_model(experiment, run_id, model, rows.get(model.model_id, {}), published)
        experiment.fill_dataset(run_id, dataset)
        experiment.end(run_id)
        current[model.model_id] = run_id
        fingerprints[model.model_id] = identity.fingerprint
    for name in sorted(rows.keys() - current.keys()):
        identity = identify_ensemble(name, rows[name], fingerprints, source)
        current[name] = experiment.ensure_run(identity)
        experiment.fill_figures(current[name], figures_of(rows[name]))
        experiment.end(current[name])
        published.ensembles += 1
    publish_report(experiment, paths, dataset)
    published.superseded = experiment.supersede_others(current)
    published.registered = register_best(experiment, paths, current)
    write_json(paths.mlflow_pages, find_pages(experiment, paths, current))
    return published


def find_pages(experiment: Experiment, paths: Paths, runs: Mapping[str, str]) -> dict[str, Any]:
    """Where MLflow shows the profile's runs, and the generations of a lineage side by side.

    Without saying so, MLflow opens an experiment as one of language models.
    """
    lineages: dict[str, list[str]] = {}
    for model in find_models(paths.models):
        lineages.setdefault(model.model_id.rpartition("-")[0], []).append(runs[model.model_id])
    here = quote(json.dumps([experiment.experiment_id]))
    return {
        "runs": f"/#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning",
        "generations": {
            lineage: f"/#/compare-runs?runs={quote(json.dumps(found))}&experiments={here}"
            for lineage, found in lineages.items()
            if len(found) > 1
        },
    }


def register_best(experiment: Experiment, paths: Paths, runs: Mapping[str, str]) -> int:
    """Each lineage's best on validation becomes a registered version, the best of all champion."""
    from tracking.registry import Registry

    selection = _mapping(paths.study.selection)
    champion = str(selection["best"]["model"])
    return Registry(experiment).fill(selection["best_of_lineage"], runs, champion)


def publish_model(
    experiment: Experiment, run_id: str, model: ModelFolder, row: Row, published: Published
) -> None:
    """One model's epochs, final figures and weights."""
    published.models += 1
    history = read_history_figures(model.folder / "history.csv")
    published.epochs_filled += experiment.fill_epochs(run_id, history)
    experiment.fill_figures(run_id, figures_of(row))
    experiment.fill_tags(run_id, {"chosen": str(row.get("chosen") == "1").lower()})
    logged = experiment.fill_model(run_id, model.weights, digest_files([model.weights]))
    published.models_logged += logged


def publish_report(experiment: Experiment, paths: Paths, dataset: DatasetFacts) -> None:
    """The leaderboard, the report and its figures go to the parent run."""
    parent_id = experiment.parent_id
    files = {path: "" for name in REPORT_FILES if (path := paths.report / name).exists()}
    files |= {path: "figures" for path in sorted((paths.report / "figures").glob("*.*"))}
    if files:
        experiment.fill_files(parent_id, files, digest_files(files))
    experiment.fill_dataset(parent_id, dataset)
    experiment.end(parent_id)


def find_models(models: Path) -> Iterator[ModelFolder]:
    """Every finished model of every finished lineage, by lineage and generation."""
    for path in sorted(models.glob(f"*/{LINEAGE_FILE}")):
        lineage = read_lineage(path.parent)
        kind = "taught" if lineage.teacher else "scratch"
        for entry in lineage.generations:
            folder = path.parent / entry.name
            yield ModelFolder(folder, kind, read_generation(folder))


def read_history_figures(path: Path) -> dict[int, dict[str, float]]:
    """Epoch -> figures of history.csv, under the names that training logs them by."""
    with path.open(newline="", encoding="utf-8") as lines:
        return {int(row["epoch"]): figures_of(row) for row in csv.DictReader(lines)}


def read_leaderboard(path: Path) -> dict[str, Row]:
    """Row by model or ensemble id; InputError where there is no leaderboard yet."""
    if not path.exists():
        raise InputError(f"no {path}: nothing to publish yet; run `make reproduce` first")
    with path.open(newline="", encoding="utf-8") as lines:
        return {row["model"]: row for row in csv.DictReader(lines)}


def figures_of(row: Row) -> dict[str, float]:
    """The columns that hold numbers."""
    figures: dict[str, float] = {}
    for key in row.keys() - NO_FIGURES:
        with suppress(TypeError, ValueError):
            figures[key] = float(row[key])
    return figures


def describe_dataset(paths: Paths) -> DatasetFacts:
    """The shards as a data set; its digest is the shards' own fingerprint."""
    summary = _mapping(paths.study.summary_file)
    digest = str(summary.get("fingerprint") or digest_of(summary))
    counts = {
        f"{split}_clips": facts["clips"]
        for split, facts in cast(Mapping[str, Any], summary.get("splits", {})).items()
    }
    return DatasetFacts(f"lipnet-{paths.profile}", digest, str(paths.shards), counts)


def identify_ensemble(
    name: str, row: Row, fingerprints: Mapping[str, str], source: str
) -> Identity:
    """An ensemble is the same while its members and their fingerprints are."""
    members = row.get("members", "").split()
    unknown = sorted(set(members) - set(fingerprints))
    if unknown or not members:
        raise InputError(
            f"the leaderboard's {name} has no model on disk ({', '.join(unknown) or 'no members'})"
            ": run `dvc repro` first"
        )
    tags = {"kind": "ensemble", "source": source, "members": " ".join(members)}
    made_of = {member: fingerprints[member] for member in members}
    return Identity(name, digest_of(made_of), tags, {"members": " ".join(members)})


def _mapping(path: Path) -> Mapping[str, Any]:
    if not path.exists():
        raise InputError(f"no {path}: run `make reproduce` (or `dvc pull`) first")
    value = read_json(path)
    if not isinstance(value, dict):
        raise InputError(f"{path} is not a JSON object: remove it and run `dvc repro`")
    return value


if __name__ == "__main__":
    run_program(main)
