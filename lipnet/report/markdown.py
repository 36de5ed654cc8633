"""Rows of the report's tables, and their cells as markdown."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from lipnet.errors import InputError

Row = dict[str, str]
MARKS = re.compile(r"[\\`*_\[\]<>|!#&~]")


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV file of the report; InputError where there is none yet."""
    if not path.exists():
        raise InputError(f"no {path} yet: run `make reproduce` (or `dvc repro`) first")
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def join(cells: Sequence[str]) -> str:
    """A table's line."""
    return f"| {' | '.join(cells)} |"


def verbatim(text: str) -> str:
    """Text of somebody else's, such as a label, with nothing in it taken for markdown."""
    return MARKS.sub(r"\\\g<0>", text)


def percent(cell: str) -> str:
    """A fraction's cell in percent; "-" for an empty one."""
    return f"{100 * float(cell):.1f}" if cell else "-"


def interval(row: Row, name: str) -> str:
    """A fraction and its interval, in percent."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{percent(row[name])} [{percent(low)}, {percent(high)}]" if row[name] else "-"


def gain(row: Row) -> str:
    """A paired difference and its interval, in points."""
    if not row["difference"]:
        return "-"
    value, low, high = (100 * float(row[name]) for name in ("difference", "low", "high"))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"
