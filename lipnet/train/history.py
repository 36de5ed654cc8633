"""The record of each epoch that is saved, shown and logged."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from lipnet.errors import InputError
from lipnet.files import write_atomic


@dataclass(frozen=True)
class EpochRecord:
    """One epoch's metrics: losses in nats, accuracies as fractions; `best`: the best so far."""

    epoch: int
    lr: float
    train_loss: float
    train_ce: float
    train_kd: float
    val_loss: float
    val_top1: float
    val_top5: float
    best: bool


_COLUMNS = tuple(field.name for field in fields(EpochRecord))


def best_epoch(history: Sequence[EpochRecord]) -> EpochRecord:
    """The last record marked best: highest top-1 on validation, ties broken by the lower loss."""
    return [record for record in history if record.best][-1]


def beats(candidate: tuple[float, float], current: tuple[float, float]) -> bool:
    """Whether the candidate's (val_top1, val_loss) is better: higher top-1, or equal with a lower
    loss."""
    return (candidate[0], -candidate[1]) > (current[0], -current[1])


def write_history(path: Path, history: Sequence[EpochRecord]) -> None:
    """Write the records as CSV, atomically; floats round-trip exactly."""
    with write_atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        for record in history:
            row = asdict(record)
            writer.writerow({**row, "best": int(record.best)})


def read_history(path: Path) -> list[EpochRecord]:
    """Read what `write_history` wrote; InputError for another file or none, which names columns
    that are missing or unknown, as in a file of another version."""
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines)
            _check_columns(reader.fieldnames or ())
            return [_record_of(row) for row in reader]
    except (OSError, TypeError, ValueError, csv.Error) as error:
        raise InputError(f"{path} is not the history of a training: {error}") from error


def _check_columns(found: Sequence[str]) -> None:
    missing = [f"no column {name}" for name in _COLUMNS if name not in found]
    unknown = [f"the unknown column {name[:20]!r}" for name in found if name not in _COLUMNS]
    if missing or unknown:
        faults = ", ".join([*missing, *unknown[:4]])
        raise ValueError(f"it has {faults}; if another version wrote it, `dvc repro` trains again")
    if len(found) != len(_COLUMNS):
        raise ValueError("it has a column twice")


def _record_of(row: dict[str, str]) -> EpochRecord:
    numbers = {name: float(row[name]) for name in _COLUMNS if name not in ("epoch", "best")}
    return EpochRecord(epoch=int(row["epoch"]), best=row["best"] == "1", **numbers)
