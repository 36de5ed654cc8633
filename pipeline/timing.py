"""How long each unit of a stage took, kept apart from its outputs: timings differ, those do not."""

import csv
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Generic, TypeVar

from lipnet.files import write_atomic

Item = TypeVar("Item")
Record = dict[str, Any]
COLUMNS = ("unit", "clips", "failed", "seconds")


class Timed(Generic[Item]):
    """A worker whose results come with the seconds that they took."""

    def __init__(self, make_worker: Callable[[], Callable[[Item], Record]]) -> None:
        self._work = make_worker()

    def __call__(self, item: Item) -> tuple[Record, float]:
        start = time.perf_counter()
        record = self._work(item)
        return record, time.perf_counter() - start


def write_timings(path: Path, timed: Iterable[tuple[Record, float]]) -> None:
    """One CSV line a unit; one that was found finished takes next to nothing."""
    with write_atomic(path) as beside, beside.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow(COLUMNS)
        for record, seconds in timed:
            counts = record["clips"], len(record["failures"])
            lines.writerow([record["name"], *counts, f"{seconds:.3f}"])
