"""Bring MLflow up to date with data/<profile>: models, their epochs and figures, and the report.

A stage that DVC restored or pulled ran no code, and MLflow may have been unreachable while a model
was trained; this logs what is missing. It is idempotent and not a DVC stage.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from lipnet.errors import InputError
from lipnet.files import digest_files, digest_of, write_json
from lipnet.lineage.generation import Generation, model_file, read_generation
from lipnet.lineage.summary import LINEAGE_FILE, read_lineage
from lipnet.report.csv_rows import read_rows
from lipnet.report.json_files import read_mapping
from lipnet.report.rows import ComparisonRow, LeaderboardRow
from lipnet.report.saved import read_leaderboard, read_results_rows
from lipnet.report.study import Study
from lipnet.shards.summary import read_summary_file
from lipnet.train.history import read_history
from pipeline.pages import list_pages
from pipeline.params import load_params
from pipeline.paths import Paths
from pipeline.program import run_program
from tracking.experiment import DatasetFacts, Experiment, Identity
from tracking.names import (
    VIEW,
    VIEW_TAG,
    constants,
    describe_view,
    epoch_figures,
    final_figures,
)
from tracking.uri import find_mlflow, shown_uri

PAGE = "report.html"
REPORT_FILES = ("leaderboard.csv", "report.md", PAGE, "metrics.json")
REPORT_FOLDERS = ("figures", "tables")
FILE_LINK = re.compile(r'<a href="(?![a-z]+:|#)[^"]*">(.*?)</a>')


@dataclass(frozen=True)
class ModelFolder:
    """One finished model on disk: its generation.json and the folder of its files."""

    folder: Path
    is_taught: bool
    generation: Generation

    @property
    def weights(self) -> Path:
        return model_file(self.folder)

    @property
    def model_id(self) -> str:
        return self.generation.model

    def identify(self, source: str) -> Identity:
        """The identity of its run, equal to that of its training."""
        packing = self.generation.packing
        return Identity.of(
            self.model_id,
            self.generation.facts,
            is_taught=self.is_taught,
            source=source,
            how=packing.how if packing else "",
        )


@dataclass
class Published:
    """What a call found and what it added."""

    models: int = 0
    ensembles: int = 0
    cascades: int = 0
    epochs_filled: int = 0
    models_logged: int = 0
    registered: int = 0
    superseded: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        added = f"{self.models_logged} models and {self.epochs_filled} figures by epoch added"
        added += f", {self.registered} versions registered" if self.registered else ""
        retired = f", {len(self.superseded)} superseded" if self.superseded else ""
        found = f"{self.models} models and {self.ensembles} ensembles"
        several = "s" if self.cascades > 1 else ""
        found += f", {self.cascades} cascade{several}" if self.cascades else ""
        return f"{found}; {added}{retired}"


def main() -> None:
    """Publish the profile in params.yaml."""
    params = load_params()
    paths = Paths(params.profile)
    published = publish(paths, source=params.source.name)
    print(f"MLflow ({shown_uri()}): {published}", flush=True)
    print("In MLflow (on this machine, `make ui` starts it):", flush=True)
    for title, address in list_pages(paths, find_mlflow()):
        print(f"  {title}: {address}", flush=True)


def publish(paths: Paths, *, source: str) -> Published:
    """Log to MLflow what it lacks of the profile's folder; a second call changes nothing."""
    rows = read_current_leaderboard(paths)
    experiment = Experiment.open(paths.profile)
    dataset = describe_dataset(paths)
    published = Published()
    current: dict[str, str] = {}
    fingerprints: dict[str, str] = {}
    for model in find_models(paths.study):
        identity = model.identify(source)
        run_id = experiment.ensure_run(identity)
        publish_model(experiment, run_id, model, rows.get(model.model_id), published)
        experiment.fill_dataset(run_id, dataset)
        experiment.end(run_id)
        current[model.model_id] = run_id
        fingerprints[model.model_id] = identity.fingerprint
    for name in sorted(rows.keys() - current.keys()):
        identity = identify_ensemble(rows[name], fingerprints, source)
        current[name] = experiment.ensure_run(identity)
        fill_row(experiment, current[name], rows[name])
        experiment.end(current[name])
        published.cascades += rows[name].cascade is not None
        published.ensembles += rows[name].cascade is None
    publish_report(experiment, paths, dataset)
    published.superseded = experiment.supersede_others(current)
    published.registered = register_best(experiment, paths, rows, current)
    write_json(paths.mlflow_pages, find_pages(experiment, paths, rows, current))
    return published


def find_pages(
    experiment: Experiment,
    paths: Paths,
    rows: Mapping[str, LeaderboardRow],
    runs: Mapping[str, str],
) -> dict[str, Any]:
    """MLflow's page of the profile's runs, and pages that compare: the generations of each lineage,
    and each student with the model of its spec without a teacher."""
    lineages: dict[str, list[str]] = {}
    for model in find_models(paths.study):
        lineages.setdefault(model.model_id.rpartition("-")[0], []).append(model.model_id)
    comparisons = read_rows(paths.report / "tables" / "comparisons.csv", ComparisonRow)
    students = {
        pair.second: [pair.first, pair.second]
        for pair in comparisons
        if pair.first in runs
        and rows[pair.second].lineage != rows[pair.first].lineage
        and not rows[pair.second].members  # an ensemble is no student of its best member
    }

    def compare(models: Sequence[str]) -> str:
        experiments = quote(json.dumps([experiment.experiment_id]))
        found = quote(json.dumps([runs[model] for model in models]))
        return f"/#/compare-runs?runs={found}&experiments={experiments}"

    experiment.share_view(VIEW_TAG, describe_view())
    # Without `workflowType`, MLflow opens an experiment as one of language models.
    place = f"/#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning"
    report = f"/#/experiments/{experiment.experiment_id}/runs/{experiment.parent_id}/artifacts"
    return {
        "report": f"{report}/{PAGE}",
        "runs": f"{place}&viewStateShareKey={VIEW}",
        "generations": {name: compare(own) for name, own in lineages.items() if len(own) > 1},
        "students": {name: compare(pair) for name, pair in students.items()},
    }


def register_best(
    experiment: Experiment,
    paths: Paths,
    rows: Mapping[str, LeaderboardRow],
    runs: Mapping[str, str],
) -> int:
    """Register a version for each lineage's best on validation; returns how many were added."""
    from tracking.registry import Registry

    best = read_mapping(paths.study.selection)["best_of_lineage"]
    return Registry(experiment).fill([rows[model] for _, model in sorted(best.items())], runs)


def fill_row(experiment: Experiment, run_id: str, row: LeaderboardRow) -> None:
    """Log a row of the leaderboard: its results as metrics, its constants as tags."""
    experiment.fill_figures(run_id, final_figures(row))
    experiment.fill_tags(run_id, constants(row))


def publish_model(
    experiment: Experiment,
    run_id: str,
    model: ModelFolder,
    row: LeaderboardRow | None,
    published: Published,
) -> None:
    """Log one model's epochs, final figures and weights; without a row, no final figures."""
    published.models += 1
    if row is not None:
        fill_row(experiment, run_id, row)  # first: MLflow's comparison opens on it
    epochs = read_epochs(model.folder / "history.csv")
    published.epochs_filled += experiment.fill_epochs(run_id, epochs)
    is_chosen = row is not None and bool(row.chosen)
    experiment.fill_tags(run_id, {"chosen": str(is_chosen).lower()})
    logged = experiment.fill_model(run_id, model.weights, digest_files([model.weights]))
    published.models_logged += logged


def publish_report(experiment: Experiment, paths: Paths, dataset: DatasetFacts) -> None:
    """Log the leaderboard, the report, its figures and tables to the parent run."""
    parent_id = experiment.parent_id
    files = {path: "" for name in REPORT_FILES if (path := paths.report / name).exists()}
    for folder in REPORT_FOLDERS:
        files |= {path: folder for path in sorted((paths.report / folder).glob("*.*"))}
    if files:
        with TemporaryDirectory() as shown:
            page = Path(shown) / PAGE
            copied = {page if path.name == PAGE else path: place for path, place in files.items()}
            if page in copied:
                page.write_text(remove_links((paths.report / PAGE).read_text("utf-8")), "utf-8")
            experiment.fill_files(parent_id, copied, digest_files(files))
    experiment.fill_dataset(parent_id, dataset)
    experiment.end(parent_id)


def remove_links(page: str) -> str:
    """The HTML page with the text of each link to a file, such as its path, in place of the link.

    MLflow shows a page in a frame without an address, which can open no file next to it.
    """
    return FILE_LINK.sub(r"\1", page)


def find_models(study: Study) -> Iterator[ModelFolder]:
    """The models that the report shows, by lineage and generation: folders of lineages that left
    the study may still exist."""
    selection = read_mapping(study.selection)
    names = {*selection["best_of_lineage"], *selection.get("compressed", ())}
    for path in sorted(study.models.glob(f"*/{LINEAGE_FILE}")):
        if path.parent.name not in names:
            continue
        lineage = read_lineage(path.parent)
        for entry in lineage.generations:
            folder = path.parent / entry.name
            yield ModelFolder(folder, bool(lineage.teacher), read_generation(folder))


def read_epochs(history: Path) -> dict[int, dict[str, float]]:
    """Each epoch's figures in history.csv, under the names that training logs them by."""
    return {record.epoch: epoch_figures(record) for record in read_history(history)}


def read_current_leaderboard(paths: Paths) -> dict[str, LeaderboardRow]:
    """Row by model or ensemble id; InputError if the leaderboard is missing or of other results.

    It is not tracked, so a restore from DVC's cache leaves none or an old one.
    """
    rows = {row.model: row for row in read_leaderboard(paths.study)}
    results = {row.model: row for row in read_results_rows(paths.study)}
    if {name: replace(row, latency=None) for name, row in rows.items()} != results:
        raise InputError(
            f"{paths.report / 'leaderboard.csv'} does not match results.csv: "
            "run `python -m pipeline.leaderboard` first"
        )
    return rows


def describe_dataset(paths: Paths) -> DatasetFacts:
    """The shards as a data set; its digest is the shards' own fingerprint."""
    summary = read_summary_file(paths.study.summary_file)
    counts = {f"{split}_clips": own.clips for split, own in summary.splits.items()}
    return DatasetFacts(f"lipnet-{paths.profile}", summary.fingerprint, str(paths.shards), counts)


def identify_ensemble(
    row: LeaderboardRow, fingerprints: Mapping[str, str], source: str
) -> Identity:
    """The identity of an ensemble or a cascade: its members and their fingerprints."""
    unknown = sorted(set(row.members) - set(fingerprints))
    if unknown or not row.members:
        raise InputError(
            f"the leaderboard's {row.model} has no model on disk "
            f"({', '.join(unknown) or 'no members'}): run `dvc repro` first"
        )
    members = " ".join(row.members)
    kind = "cascade" if row.cascade else "ensemble"
    tags = {"kind": kind, "source": source, "members": members}
    made_of = {member: fingerprints[member] for member in row.members}
    return Identity(row.model, digest_of(made_of), tags, {"members": members})


if __name__ == "__main__":
    run_program(main)
