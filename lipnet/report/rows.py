"""The rows of a saved report: one dataclass per table, one field per column of its CSV file.

Accuracies are fractions; `_low` and `_high` are the ends of 95 % intervals.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from lipnet.errors import InputError
from lipnet.how import How
from lipnet.report.csv_rows import Format, Prefix
from lipnet.report.recipes import PAPER_LOSS


@dataclass(frozen=True)
class Score:
    """Accuracy on one split with its interval over `units`, the independent units of its clips."""

    top1: float
    top1_low: float
    top1_high: float
    top5: float
    top5_low: float
    top5_high: float
    clips: int
    units: int

    def __post_init__(self) -> None:
        for name in ("top1", "top1_low", "top1_high", "top5", "top5_low", "top5_high"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} {getattr(self, name)}: an accuracy is between 0 and 1")


@dataclass(frozen=True)
class Fit:
    """How a model was trained: its recipe's main settings, and the epoch that was kept.

    `settings`: further ones that differ among models of its spec and training, and a loss that is
    not the paper's, such as "distillation=dkd"; none in reports from before they were listed.
    `start`: the digest of the weights that the model was fine-tuned from; none for random ones.
    """

    input_size: int
    epochs: int
    best_epoch: int
    seed: int
    val_loss: float
    optimiser: str
    temperature: float = 1.0
    settings: tuple[str, ...] = ()
    start: str | None = None

    @property
    def has_paper_loss(self) -> bool:
        """Whether the distillation loss is the paper's, as far as the report states it."""
        named = {setting.partition("=")[0] for setting in self.settings}
        return self.temperature == 1 and not named & set(PAPER_LOSS)


@dataclass(frozen=True)
class RowLatency:
    """Milliseconds per clip on one machine; 95th percentiles of ensemble members do not add up.

    `onnx_ms_p50` is that of ONNX Runtime, measured for compressed models and their sources. Of a
    model that only ONNX Runtime computes, all are.
    """

    ms_p50: Annotated[float, Format(".2f")]
    ms_p95: Annotated[float | None, Format(".2f")]
    threads: int
    machine: str
    onnx_ms_p50: Annotated[float | None, Format(".2f")] = None


@dataclass(frozen=True)
class Compression:
    """How a compressed model was made, and what it lost.

    `tuned_epochs`: 0 if it was not tuned. `ratio`: the bytes of its source's file over its own
    `file_bytes`. `difference`: its top-1 on test less its source's, paired by clip.
    """

    how: str
    tuned_epochs: int
    file_bytes: int
    ratio: float
    bits_per_weight: float
    difference: float
    difference_low: float
    difference_high: float

    @property
    def is_tuned(self) -> bool:
        return self.tuned_epochs > 0

    @property
    def is_graph(self) -> bool:
        """Whether its file is an ONNX graph."""
        return How.parse(self.how).is_graph


@dataclass(frozen=True)
class CascadeCost:
    """Which clips a cascade's small model answers, and at what cost.

    `threshold`: of its top probability, chosen on validation; above 1 if no clip may leave.
    `leaves`: the share of test clips that it answers, `leaves_val` that of validation clips.
    `worst_gflops`: both models, which the slowest clip takes. `difference`: top-1 on test less that
    of the large model, paired by clip.
    """

    threshold: float
    leaves_val: float
    leaves: float
    worst_gflops: float
    large_gflops: float
    difference: float
    difference_low: float
    difference_high: float


@dataclass(frozen=True)
class LeaderboardRow:
    """A model, or an ensemble with its members' costs added up.

    An ensemble has `members` and neither `chosen` (its lineage's best on validation) nor `fit`. A
    compressed copy of a model, its `teacher`, has `compression`; nothing is chosen from these. A
    cascade has its small and its large model as `members`, and its FLOPs are means over test clips.
    results.csv, which is tracked, has no latency; leaderboard.csv is the same with it.
    """

    model: str
    lineage: str
    generation: str
    spec: str
    teacher: str
    training: str
    rule: str
    members: tuple[str, ...]
    chosen: bool | None
    params_m: float
    gflops: float
    gmacs: float
    fit: Annotated[Fit | None, Prefix("")]
    val: Score
    test: Score
    unseen: Score | None
    compression: Annotated[Compression | None, Prefix("")] = None
    cascade: CascadeCost | None = None
    latency: RowLatency | None = None

    @property
    def is_model(self) -> bool:
        return not self.members and self.compression is None

    @property
    def scores(self) -> dict[str, Score]:
        """The scores by split, validation first."""
        scores = {"val": self.val, "test": self.test, "unseen": self.unseen}
        return {split: score for split, score in scores.items() if score is not None}

    @property
    def model_fit(self) -> Fit:
        """How the model was trained; InputError for an ensemble."""
        if self.fit is None:
            raise InputError(f"{self.model} has no seed, epochs and input size: not a model's row")
        return self.fit


@dataclass(frozen=True)
class ComparisonRow:
    """The accuracy of `second` less that of `first`, paired by clip."""

    question: str
    first: str
    second: str
    spec: str
    split: str
    difference: float
    low: float
    high: float
    clips: int
    units: int


@dataclass(frozen=True)
class FamilyRow:
    """Lineages that differ in the seed alone: mean and spread of their top-1."""

    family: str
    kind: str
    spec: str
    split: str
    seeds: tuple[int, ...]
    mean_top1: float
    deviation: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class SeedPairRow:
    """A distilled family, with this many trained teachers, against the family from scratch, over
    the seeds that both have."""

    first: str
    second: str
    spec: str
    seeds: tuple[int, ...]
    difference: float
    low: float
    high: float
    by_seed: Annotated[tuple[float, ...], Format("+.6f")]
    clips: int
    units: int
    teachers: int
    models: tuple[str, ...] | None = None  # the distilled ones


@dataclass(frozen=True)
class StrategyRow:
    """One of several ways in which a student was distilled, against `scratch` if there is one."""

    spec: str
    seed: int
    model: str
    chain: tuple[str, ...]
    shares: str
    recipe: str
    chosen: bool
    val_top1: float
    test_top1: float
    scratch: str
    difference: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class LookalikeRow:
    """Two labels that the best model mistakes for each other."""

    model: str
    split: str
    first: str
    second: str
    mistaken: int
    clips: int
    share: float


@dataclass(frozen=True)
class HomopheneRow:
    """Labels of one viseme sequence."""

    visemes: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class MergedRow:
    """Top-1 when labels of one viseme sequence count as one label."""

    model: str
    split: str
    clips: int
    top1: float
    merged_top1: float
    merged_top1_low: float
    merged_top1_high: float
    mistakes: int
    between_alike: int


@dataclass(frozen=True)
class SlotRow:
    """Top-1 in one slot of the sentence, next to chance and to what the slot alone gives."""

    model: str
    split: str
    slot: str
    clips: int
    units: int
    top1: float
    top1_low: float
    top1_high: float
    chance: float
    slot_alone: float


@dataclass(frozen=True)
class LabelRow:
    """Top-1 of one label; None for a label without clips."""

    model: str
    split: str
    label: str
    clips: int
    top1: float | None


def models_of(rows: Sequence[LeaderboardRow]) -> list[LeaderboardRow]:
    """The rows that are models: not ensembles, and not compressed copies."""
    return [row for row in rows if row.is_model]


def files_of(rows: Sequence[LeaderboardRow]) -> list[LeaderboardRow]:
    """The rows that have a weights file: models and their compressed copies."""
    return [row for row in rows if not row.members]


def find_choices(rows: Sequence[LeaderboardRow]) -> set[str]:
    """What validation chose: the best of all models, and of each lineage with several."""
    models = models_of(rows)
    counts = Counter(row.lineage for row in models)
    best = max(models, key=lambda row: (row.val.top1, -row.model_fit.val_loss))
    return {row.model for row in models if row.chosen and counts[row.lineage] > 1} | {best.model}
