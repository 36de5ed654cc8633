"""A comparison of two implementations: timed in turn, with medians, ratio, spread, conditions."""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lipnet.measure.paper import PAPER_ROWS, PaperRow

HEADER = (
    f"{'model':<32}{'pixels':>6}{'clips':>6}{'baseline ms':>13}{'ours ms':>10}{'ratio':>7}  spread"
)
SAME = 1e-3  # tolerance for float32 outputs, relative to the baseline's standard deviation


@dataclass(frozen=True)
class Comparison:
    """Median milliseconds; `ratios` are baseline over ours for each pair of consecutive calls."""

    baseline_ms: float
    ours_ms: float
    ratios: tuple[float, ...]


def compare(
    baseline: Callable[[], object], ours: Callable[[], object], *, repeats: int
) -> Comparison:
    """Time both in turn, so that other load on the machine affects both; before that, one call of
    each is not timed."""
    baseline()
    ours()
    times = [(_time_call(baseline), _time_call(ours)) for _ in range(repeats)]
    before, after = zip(*times, strict=True)
    ratios = tuple(one / other for one, other in times)
    return Comparison(statistics.median(before), statistics.median(after), ratios)


def _time_call(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start)


def check_same(baseline: Tensor, ours: Tensor, name: str) -> None:
    """Exit if the two outputs differ, because a comparison of speeds would be meaningless."""
    apart, spread = float((baseline - ours).abs().max()), float(baseline.std())
    if not apart <= SAME * spread:
        raise SystemExit(
            f"{name}: outputs differ by {apart:.2g}, with a standard deviation of {spread:.2g}"
        )


def print_row(row: PaperRow, clips: int, result: Comparison) -> None:
    """Print one line of the table."""
    low, high = min(result.ratios), max(result.ratios)
    print(
        f"{row.spec:<32}{row.size:>6}{clips:>6}{result.baseline_ms:>13.1f}{result.ours_ms:>10.1f}"
        f"{statistics.median(result.ratios):>7.2f}  {low:.2f}-{high:.2f}",
        flush=True,
    )


def describe_machine(threads: int) -> str:
    """The conditions of a measurement, as one line."""
    load = os.getloadavg()[0]
    return (
        f"{find_processor()}, {os.cpu_count()} cores, {threads} thread{'s' * (threads != 1)}, "
        f"torch {torch.__version__}, load average {load:.1f} at the start"
    )


def find_processor() -> str:
    """The processor's name, or the machine type if the system does not report it."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def choose_rows(wanted: Sequence[str]) -> list[PaperRow]:
    """The paper's models with one of the texts in their spec; all models if no text is given."""
    unique = {(row.spec, row.size): row for row in PAPER_ROWS}.values()
    chosen = [row for row in unique if not wanted or any(text in row.spec for text in wanted)]
    if not chosen:
        raise SystemExit(f"--models {' '.join(wanted)}: matches no spec; {_list_specs(unique)}")
    return chosen


def _list_specs(rows: Iterable[PaperRow]) -> str:
    return "known: " + "; ".join(sorted({row.spec for row in rows}))


def make_parser(about: str | None, *, batch: int, repeats: int) -> argparse.ArgumentParser:
    """The options that the benchmarks share."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--models", nargs="*", default=[], metavar="TEXT", help="parts of specs")
    parser.add_argument("--batch", type=_count, default=batch, help="clips")
    parser.add_argument("--repeats", type=_count, default=repeats)
    # One, because threads wait for each other if a core is busy with something else.
    parser.add_argument("--threads", type=_count, default=1)
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1")
    return number
