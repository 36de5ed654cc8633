"""The files of `dvc plots`: one dataclass per plot, one field per column."""
# N clips

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lipnet.report.csv_rows import write_rows
from lipnet.report.results import Entry, Results
from lipnet.train.history import read_history


@dataclass(frozen=True)
class CurveRow:
    """One epoch of one model."""

    model: str
    lineage: str
    epoch: int
    val_top1: float
    val_loss: float
    train_loss: float


@dataclass(frozen=True)
class PointRow:
    """Accuracy and cost of one model or ensemble."""

    model: str
    spec: str
    training: str
    params_m: float
    gflops: float
    test_top1: float
    test_top1_low: float
    test_top1_high: float


@dataclass(frozen=True)
class GenerationRow:
    """Accuracy of one generation of a lineage."""

    lineage: str
    generation: int
    val_top1: float
    test_top1: float


@dataclass(frozen=True)
class ConfusionRow:
    """One clip's label and what was predicted."""

    actual: str
    predicted: str


def write_plots(folder: Path, results: Results) -> None:
    """Long-format CSV for `dvc plots`: curves, accuracy against cost, generations, confusion."""
    points = [_point_of(entry) for entry in results.entries]
    write_rows(folder / "learning_curves.csv", CurveRow, _curve_rows(results))
    write_rows(folder / "accuracy_cost.csv", PointRow, points)
    write_rows(folder / "generations.csv", GenerationRow, _generation_rows(results))
    write_rows(folder / "confusion.csv", ConfusionRow, _confusion_rows(results))


def _curve_rows(results: Results) -> Iterator[CurveRow]:
    for model in results.models:
        for record in read_history(model.folder / "history.csv"):
            losses = (record.val_loss, record.train_loss)
            yield CurveRow(model.name, model.lineage, record.epoch, record.val_top1, *losses)


def _point_of(entry: Entry) -> PointRow:
    top1 = entry.outcomes["test"].top1
    return PointRow(
        model=entry.name,
        spec=entry.spec,
        training=entry.training,
        params_m=entry.params_m,
        gflops=entry.gflops,
        test_top1=top1.value,
        test_top1_low=top1.low,
        test_top1_high=top1.high,
    )


def _generation_rows(results: Results) -> Iterator[GenerationRow]:
    for model in results.models:
        val, test = (model.outcomes[split].top1.value for split in ("val", "test"))
        yield GenerationRow(model.lineage, int(model.generation[1:]), val, test)


def _confusion_rows(results: Results) -> Iterator[ConfusionRow]:
    """One row per test clip of the model that is best on validation."""
    outcome = results.entry(results.best).outcomes["test"]
    for actual, predicted in zip(outcome.labels_N, outcome.predicted_N, strict=True):
        yield ConfusionRow(results.labels[actual], results.labels[predicted])
