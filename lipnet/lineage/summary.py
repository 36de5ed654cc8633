"""Summary of a finished lineage: its generations and the best of them, as in lineage.json."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lipnet.errors import InputError
from lipnet.files import write_json
from lipnet.lineage.generation import (
    WEIGHTS_FILE,
    Generation,
    best_generation,
    lineage_of,
    read_described,
    read_generation,
)
from lipnet.records import Record

LINEAGE_FILE = "lineage.json"


@dataclass(frozen=True)
class GenerationSummary:
    """One generation's name, teacher and validation metrics of its best epoch."""

    name: str
    model: str
    teacher: str | None
    best_epoch: int
    val_top1: float
    val_top5: float
    val_loss: float


@dataclass(frozen=True)
class LineageSummary:
    """The content of lineage.json: generations in order; `best` is the name of one of them.

    `teacher` is the lineage of the first generation's teacher, None for a scratch lineage.
    `measured`: the recipe's mean and std, as far as they were measured on the training crops.
    """

    lineage: str
    spec: str
    teacher: str | None
    generations: tuple[GenerationSummary, ...]
    best: str
    measured: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls, lineage: str, finished: Sequence[Generation], measured: Sequence[str] = ()
    ) -> "LineageSummary":
        """The summary of a lineage's finished generations; `measured` names fields of a recipe."""
        first = finished[0]
        return cls(
            lineage=lineage,
            spec=first.spec,
            teacher=lineage_of(first.teacher) if first.teacher else None,
            generations=tuple(_summarise(generation) for generation in finished),
            best=best_generation(finished).name,
            measured={name: getattr(first.recipe, name) for name in measured},
        )


def _summarise(generation: Generation) -> GenerationSummary:
    return GenerationSummary(
        generation.name,
        generation.model,
        generation.teacher,
        generation.best_epoch,
        generation.val_top1,
        generation.val_top5,
        generation.val_loss,
    )


def write_lineage(folder: Path, summary: LineageSummary) -> None:
    """Write the folder's lineage.json, which marks the lineage as finished."""
    content = asdict(summary)
    if not summary.measured:
        del content["measured"]
    write_json(folder / LINEAGE_FILE, content)


def read_lineage(folder: Path) -> LineageSummary:
    """Read the folder's lineage.json; InputError if it is missing or damaged."""
    if not (folder / LINEAGE_FILE).exists():
        raise InputError(f"no finished lineage in {folder}: run `dvc repro` or `dvc pull` first")
    return read_described(folder / LINEAGE_FILE, _parse_summary)


def _parse_summary(found: Record) -> LineageSummary:
    summary = LineageSummary(
        lineage=found.text("lineage"),
        spec=found.text("spec"),
        teacher=found.optional_text("teacher"),
        generations=tuple(_parse_entry(Record(entry)) for entry in found.list("generations")),
        best=found.text("best"),
        measured=_parse_measured(found),
    )
    if summary.best not in [generation.name for generation in summary.generations]:
        raise ValueError(f"best is {summary.best}, not one of its generations")
    return summary


def _parse_measured(found: Record) -> dict[str, float]:
    own = found.record("measured") if "measured" in found else Record({})
    return {name: own.fraction(name) for name in ("mean", "std") if name in own}


def _parse_entry(entry: Record) -> GenerationSummary:
    return GenerationSummary(
        name=entry.text("name"),
        model=entry.text("model"),
        teacher=entry.optional_text("teacher"),
        best_epoch=entry.count("best_epoch"),
        val_top1=entry.fraction("val_top1"),
        val_top5=entry.fraction("val_top5"),
        val_loss=entry.number("val_loss"),
    )


def read_generations(lineage: Path) -> list[Generation]:
    """The generations of a finished lineage, in order."""
    return [read_generation(lineage / entry.name) for entry in read_lineage(lineage).generations]


def best_weights(lineage: Path) -> Path:
    """The weights file of a finished lineage's best generation."""
    return lineage / read_lineage(lineage).best / WEIGHTS_FILE


def all_weights(lineage: Path) -> tuple[Path, ...]:
    """The weights files of all generations of a finished lineage, in order."""
    return tuple(lineage / entry.name / WEIGHTS_FILE for entry in read_lineage(lineage).generations)
