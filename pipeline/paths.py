"""Paths below data/: the inputs and outputs of each stage for one profile. Only here."""

from dataclasses import dataclass
from pathlib import Path

from lipnet.report.study import Study
from pipeline.params import Params

DATA = Path("data")


@dataclass(frozen=True)
class Paths:
    """Every path below data/<profile>/, relative to the repository's root."""

    profile: str

    @property
    def root(self) -> Path:
        return DATA / self.profile

    @property
    def study(self) -> Study:
        """The folders that the report reads and writes."""
        return Study(self.root)

    @property
    def raw(self) -> Path:
        return self.root / "raw"

    @property
    def rendered(self) -> Path:
        """The synthetic corpus, if the profile renders one."""
        return self.raw / "videos"

    @property
    def inventory(self) -> Path:
        """Names and sizes of the corpus's files, which DVC tracks instead of the videos."""
        return self.raw / "inventory.tsv"

    @property
    def manifest(self) -> Path:
        return self.root / "manifest"

    @property
    def landmarks(self) -> Path:
        return self.root / "landmarks"

    @property
    def shards(self) -> Path:
        return self.study.shards

    @property
    def models(self) -> Path:
        return self.study.models

    def lineage(self, lineage: str) -> Path:
        return self.study.lineage(lineage)

    @property
    def logits_val(self) -> Path:
        return self.study.logits_val

    @property
    def logits_test(self) -> Path:
        return self.study.logits_test

    @property
    def quality(self) -> Path:
        """The report on the preprocessing."""
        return self.root / "quality"

    @property
    def report(self) -> Path:
        return self.study.report

    @property
    def results(self) -> Path:
        """Accuracy and cost of every model, as the stage `report` wrote them."""
        return self.report / "results.csv"

    @property
    def recorded(self) -> Path:
        """Untracked: recorded logits of teachers, to be reused for other students."""
        return self.tmp / "recorded"

    @property
    def tmp(self) -> Path:
        """Untracked: unfinished outputs, checkpoints, progress and timings."""
        return DATA / "tmp" / self.profile

    @property
    def mlflow_pages(self) -> Path:
        """Untracked: the paths of the profile's pages in MLflow, without the server's address."""
        return self.tmp / "mlflow.json"

    @property
    def preflight(self) -> Path:
        """Untracked: the latest estimate of disk space and time, by step."""
        return self.tmp / "preflight.json"

    @property
    def trainings(self) -> Path:
        """Untracked: when, where and from which commit each model was trained, a file per model."""
        return self.tmp / "trainings"

    @property
    def timings(self) -> Path:
        """Untracked: how long each job took, one file per stage."""
        return self.tmp / "timings"


def source_root(params: Params) -> Path:
    """The folder of the profile's videos: source.root, or the rendered corpus."""
    if params.source.root:
        return Path(params.source.root).expanduser()
    return Paths(params.profile).rendered
