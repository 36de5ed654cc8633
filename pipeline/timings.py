"""How long each job of a stage took. Kept apart from the outputs, which must be reproducible."""

import csv
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from lipnet.files import write_atomic

Job = TypeVar("Job")
Result = TypeVar("Result")
COLUMNS = ("job", "clips", "failed", "seconds")


class TimedWorker(Generic[Job, Result]):
    """A worker that returns each result with the seconds that it took."""

    def __init__(self, make_worker: Callable[[], Callable[[Job], Result]]) -> None:
        self._work = make_worker()

    def __call__(self, job: Job) -> tuple[Result, float]:
        start = time.perf_counter()
        result = self._work(job)
        return result, time.perf_counter() - start


def write_timings(path: Path, rows: Iterable[tuple[str, int, int, float]]) -> None:
    """Write name, clips, failed clips and seconds of each job; a job done earlier takes about 0."""
    with write_atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow(COLUMNS)
        for *counts, seconds in rows:
            lines.writerow([*counts, f"{seconds:.3f}"])
