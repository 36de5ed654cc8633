"""A study: one folder with finished models, their logits and what validation chose."""

from dataclasses import dataclass
from pathlib import Path

LABELS, SUMMARY, CORPUS = "labels.json", "summary.json", "corpus.json"
TRAININGS, LATENCIES = "trainings.csv", "latency.json"  # not tracked
CONDITIONS = "conditions.json"  # not tracked
HELD_OUT = ("test", "unseen")  # predicted together, apart from validation


@dataclass(frozen=True)
class Study:
    """Where each file is below `root` (data/<profile>), and where its report goes."""

    root: Path
    out: Path | None = None

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def shards(self) -> Path:
        return self.root / "shards"

    @property
    def labels_file(self) -> Path:
        """The labels in class order."""
        return self._find_fact(LABELS)

    @property
    def summary_file(self) -> Path:
        """Clips by split, and what failed."""
        return self._find_fact(SUMMARY)

    def _find_fact(self, name: str) -> Path:
        """Next to the clips or, if those are not on this machine, in an earlier report."""
        place = self.shards / name
        kept = self.root / "report" / name
        return kept if kept.exists() and not place.exists() else place

    @property
    def conditions_file(self) -> Path:
        """Context curves and robustness, of the models that were measured."""
        return self.root / "report" / CONDITIONS

    @property
    def models(self) -> Path:
        return self.root / "models"

    def lineage(self, lineage: str) -> Path:
        return self.models / lineage

    @property
    def logits_val(self) -> Path:
        return self.root / "logits" / "val"

    @property
    def logits_test(self) -> Path:
        return self.root / "logits" / "test"

    def logits(self, lineage: str, generation: str, split: str) -> Path:
        """One model's logits of one split; held-out splits are in a folder of their own."""
        if split in HELD_OUT:
            return self.logits_test / lineage / f"{generation}.{split}.npz"
        return self.logits_val / lineage / f"{generation}.npz"

    @property
    def selection(self) -> Path:
        """What validation chose."""
        return self.root / "ensembles" / "val.json"

    @property
    def quality_page(self) -> Path:
        """The page on the preprocessing, which is not pushed: it shows clips."""
        return self.root / "quality" / "quality.html"

    @property
    def report(self) -> Path:
        return self.out or self.root / "report"
