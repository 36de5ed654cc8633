"""Work in a process of its own, called as if it were here.

So that what one way sets for its whole process, such as what becomes of freed memory, does not
change the other's.
"""

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Aside(Generic[Result]):
    """A process that makes its work once, then does it at each call and sends what it returned."""

    def __init__(self, make: Callable[..., Callable[[], Result]], *arguments: object) -> None:
        spawn = get_context("spawn")
        self._line, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, make, arguments))
        self._process.start()
        theirs.close()

    def __call__(self) -> Result:
        self._line.send("again")
        result: Result = self._line.recv()
        return result

    def __enter__(self) -> "Aside[Result]":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._line.close()
        self._process.join()


def _serve(
    line: Connection, make: Callable[..., Callable[[], Result]], arguments: tuple[object, ...]
) -> None:
    work = make(*arguments)
    while True:
        try:
            line.recv()
        except EOFError:
            return
        line.send(work())
