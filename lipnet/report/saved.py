"""A saved report: its tables as typed rows and its corpus, read once from disk and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lipnet.errors import InputError
from lipnet.report.csv_rows import Row, read_rows
from lipnet.report.json_files import read_mapping
from lipnet.report.rows import (
    ComparisonRow,
    FamilyRow,
    HomopheneRow,
    LabelRow,
    LeaderboardRow,
    LookalikeRow,
    MergedRow,
    SeedPairRow,
    SlotRow,
    StrategyRow,
)
from lipnet.report.study import CORPUS, Study
from lipnet.shards.summary import SplitSummary, read_summary_file
from lipnet.speakers import SpeakerOverlap


@dataclass(frozen=True)
class Corpus:
    """What the clips are; `ceiling_top1` is the highest top-1 that they allow, if it is known."""

    source: str
    labels: int
    ceiling_top1: float | None = None

    @property
    def chance(self) -> float:
        return 1 / self.labels


@dataclass(frozen=True)
class SavedReport:
    """Everything that the page shows besides the leaderboard; `best` is validation's choice."""

    corpus: Corpus
    best: str
    splits: Mapping[str, SplitSummary]
    overlap: SpeakerOverlap | None
    comparisons: list[ComparisonRow]
    families: list[FamilyRow]
    seed_pairs: list[SeedPairRow]
    strategies: list[StrategyRow]
    lookalikes: list[LookalikeRow]
    homophenes: list[HomopheneRow]
    merged: list[MergedRow]
    slots: list[SlotRow]
    labels: list[LabelRow]


def read_report(study: Study) -> SavedReport:
    """Read the tables and metrics that the stage `report` wrote; InputError if one is missing."""
    tables = study.report / "tables"
    metrics = study.report / "metrics.json"
    summary = read_summary_file(study.summary_file)
    return SavedReport(
        corpus=read_corpus(study.report),
        best=str(_find(read_mapping(metrics), "model", metrics)),
        splits=summary.splits,
        overlap=summary.overlap,
        comparisons=read_rows(tables / "comparisons.csv", ComparisonRow),
        families=_read_optional(tables / "seeds.csv", FamilyRow),
        seed_pairs=_read_optional(tables / "seed_pairs.csv", SeedPairRow),
        strategies=_read_optional(tables / "strategies.csv", StrategyRow),
        lookalikes=read_rows(tables / "lookalikes.csv", LookalikeRow),
        homophenes=read_rows(tables / "homophenes.csv", HomopheneRow),
        merged=_read_optional(tables / "homophene_accuracy.csv", MergedRow),
        slots=_read_optional(tables / "per_slot.csv", SlotRow),
        labels=read_rows(tables / "per_label.csv", LabelRow),
    )


def read_results_rows(study: Study) -> list[LeaderboardRow]:
    """The rows of results.csv, without latencies."""
    return _read_leaderboard(study.report / "results.csv")


def read_leaderboard(study: Study) -> list[LeaderboardRow]:
    """The rows of leaderboard.csv; InputError if there is none or an old one."""
    path = study.report / "leaderboard.csv"
    fix = "run `python -m pipeline.leaderboard` (or `make reproduce`) first"
    if not path.exists():
        raise InputError(f"no {path} yet: {fix}")
    return _read_leaderboard(path)


def _read_leaderboard(path: Path) -> list[LeaderboardRow]:
    rows = read_rows(path, LeaderboardRow)
    if not rows:
        raise InputError(f"{path} has no rows: remove it and run `dvc repro`")
    return rows


def read_corpus(report: Path) -> Corpus:
    """The corpus that a report describes."""
    path = report / CORPUS
    found = read_mapping(path)
    ceiling = found.get("ceiling_top1")
    return Corpus(
        source=str(_find(found, "source", path)),
        labels=int(_find(found, "labels", path)),
        ceiling_top1=None if ceiling is None else float(ceiling),
    )


def _read_optional(path: Path, row_type: type[Row]) -> list[Row]:
    return read_rows(path, row_type) if path.exists() else []


def _find(found: Mapping[str, Any], name: str, path: Path) -> Any:
    if name not in found:
        raise InputError(f"{path} has no {name!r}: run `dvc repro report`")
    return found[name]
