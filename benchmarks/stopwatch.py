"""A stopwatch for the CPU time of this process, in total for each name."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Thing = TypeVar("Thing")


class Stopwatch:
    """Seconds of CPU time for each name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Add the CPU time of the block to this name."""
        start = time.process_time()
        try:
            yield
        finally:
            self.seconds[name] += time.process_time() - start

    def each(self, name: str, things: Iterable[Thing]) -> Iterator[Thing]:
        """Yield the things; the time that it takes to produce them is added to this name."""
        source = iter(things)
        while True:
            with self.time(name):
                thing = next(source, None)
            if thing is None:
                return
            yield thing
