"""A progress meter for a stage, on standard error: a bar in a terminal, else plain lines."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

SECONDS_PER_LINE = 10.0


class Meter:
    """Counts up to `total`; `label` is what is counted, such as "landmarks: videos"."""

    def __init__(self, total: int, label: str) -> None:
        self._total = total
        self._label = label
        self._done = self._made = 0
        self._started = self._making_since = self._printed = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task(label, total=total)

    def __enter__(self) -> "Meter":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
        if self._bar.disable and error is None:
            self._print_line()

    def advance(self, count: int = 1) -> None:
        """Count `count` more as done."""
        self._made += count
        self._count(count)

    def skip(self, count: int = 1) -> None:
        """Count `count` more as done by an earlier run: that took no time."""
        if not self._made:
            self._making_since = time.monotonic()
        self._count(count)

    def _count(self, count: int) -> None:
        self._done += count
        self._bar.advance(self._task, count)
        if self._bar.disable and time.monotonic() - self._printed >= SECONDS_PER_LINE:
            self._print_line()

    def _print_line(self) -> None:
        self._printed = time.monotonic()
        seconds = max(self._printed - self._started, 1e-3)
        line = f"{self._label}: {self._done} of {self._total}, {seconds:.0f} s"
        if self._made and self._done < self._total:
            each = max(self._printed - self._making_since, 1e-3) / self._made
            line += f", about {(self._total - self._done) * each:.0f} s left"
        print(line, file=sys.stderr, flush=True)
