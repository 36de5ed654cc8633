"""The table of a shard's clips, a CSV file: each clip's bytes in the tar, and its pixels."""

import csv
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from lipnet.errors import InputError


@dataclass(frozen=True)
class ClipRow:
    """A clip: the `length` bytes of the tar from `offset` that hold it, its number of frames, mean
    and deviation of its pixels (0 to 1), and the share of them outside of the video's frames."""

    clip_id: str
    offset: int
    length: int
    frames: int
    mean: float
    std: float
    outside: float


COLUMNS = tuple(column.name for column in fields(ClipRow))


def write_table(path: Path, rows: Iterable[ClipRow]) -> None:
    """One line per clip, after a line of column names."""
    with path.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow(COLUMNS)
        lines.writerows(map(astuple, rows))


def read_table(path: Path) -> list[ClipRow]:
    """The clips of a shard, in its order."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ValueError("it has other columns")
            return [_parse_row(row) for row in reader]
    except (OSError, TypeError, ValueError, csv.Error) as error:
        raise InputError(
            f"{path} is not the table of a shard ({error!r}); run the stage shards again"
        ) from error


def _parse_row(row: dict[str, str]) -> ClipRow:
    counts = [int(row[name]) for name in ("offset", "length", "frames")]
    shares = [float(row[name]) for name in ("mean", "std", "outside")]
    return ClipRow(row["clip_id"], *counts, *shares)
