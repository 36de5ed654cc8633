"""Cells of the report's tables, as markdown."""

from collections.abc import Sequence

Row = dict[str, str]


def join(cells: Sequence[str]) -> str:
    """A table's line."""
    return f"| {' | '.join(cells)} |"


def percent(cell: str) -> str:
    """A fraction's cell in percent; "-" for an empty one."""
    return f"{100 * float(cell):.1f}" if cell else "-"


def interval(row: Row, name: str) -> str:
    """A fraction and its interval, in percent."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{percent(row[name])} [{percent(low)}, {percent(high)}]" if row[name] else "-"
