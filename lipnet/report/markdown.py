"""Cells and lines of the page's markdown tables."""

import re
from collections.abc import Sequence

MARKS = re.compile(r"[\\`*_\[\]<>|!#&~]")


def join(cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def verbatim(text: str) -> str:
    """Text that the user chose, such as a label, with nothing in it taken for markdown."""
    return MARKS.sub(r"\\\g<0>", text)


def percent(fraction: float | None) -> str:
    """A fraction in percent; "-" for none."""
    return "-" if fraction is None else f"{100 * fraction:.1f}"


def interval(value: float, low: float, high: float) -> str:
    """A fraction and its interval, in percent."""
    return f"{percent(value)} [{percent(low)}, {percent(high)}]"


def gain(difference: float | None, low: float | None, high: float | None) -> str:
    """A paired difference and its interval, in points; "-" if there is none."""
    if difference is None or low is None or high is None:
        return "-"
    return f"{100 * difference:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
