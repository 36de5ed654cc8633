"""A stopwatch of CPU time by name: another process's work does not count, this one's all does."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Thing = TypeVar("Thing")


class Stopwatch:
    """Seconds of this process's CPU time under each name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Count what happens inside under this name."""
        start = time.process_time()
        try:
            yield
        finally:
            self.seconds[name] += time.process_time() - start

    def each(self, name: str, things: Iterable[Thing]) -> Iterator[Thing]:
        """The things, with the time that making them takes counted under this name."""
        source = iter(things)
        while True:
            with self.time(name):
                thing = next(source, None)
            if thing is None:
                return
            yield thing
