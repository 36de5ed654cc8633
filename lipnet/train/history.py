"""What each epoch gave: the record that is kept, shown and logged."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from lipnet.files import write_atomic


@dataclass(frozen=True)
class EpochRecord:
    """One epoch's figures; losses in nats, accuracies as fractions; `best` so far at its end."""

    epoch: int
    lr: float
    train_loss: float
    train_ce: float
    train_kd: float
    val_loss: float
    val_top1: float
    val_top5: float
    best: bool


_COLUMNS = [field.name for field in fields(EpochRecord)]


def best_epoch(history: Sequence[EpochRecord]) -> EpochRecord:
    """The last record marked best: highest on validation, a lower loss deciding between equals."""
    return [record for record in history if record.best][-1]


def beats(candidate: tuple[float, float], holder: tuple[float, float]) -> bool:
    """Whether (val_top1, val_loss) is better: more correct, or as many at a lower loss."""
    return (candidate[0], -candidate[1]) > (holder[0], -holder[1])


def write_history(path: Path, history: Sequence[EpochRecord]) -> None:
    """Write the records as CSV, atomically; floats round-trip exactly."""
    with write_atomic(path) as beside, beside.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        for record in history:
            row = asdict(record)
            writer.writerow({**row, "best": int(record.best)})


def read_history(path: Path) -> list[EpochRecord]:
    """Read what `write_history` wrote."""
    with path.open(newline="", encoding="utf-8") as lines:
        return [_record_of(row) for row in csv.DictReader(lines)]


def _record_of(row: dict[str, str]) -> EpochRecord:
    numbers = {name: float(row[name]) for name in _COLUMNS if name not in ("epoch", "best")}
    return EpochRecord(epoch=int(row["epoch"]), best=row["best"] == "1", **numbers)
