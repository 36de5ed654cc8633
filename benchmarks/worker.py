"""A function that runs in a process of its own.

Settings of a whole process, such as how freed memory is kept, then affect one side of a benchmark
and not the other.
"""

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Generic, TypeVar

Result = TypeVar("Result")


class WorkerProcess(Generic[Result]):
    """A process that builds a function once, and runs it and returns its result at each call."""

    def __init__(self, make: Callable[..., Callable[[], Result]], *arguments: object) -> None:
        spawn = get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, make, arguments))
        self._process.start()
        theirs.close()

    def __call__(self) -> Result:
        self._pipe.send("run")
        result: Result = self._pipe.recv()
        return result

    def __enter__(self) -> "WorkerProcess[Result]":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._pipe.close()
        self._process.join()


def _serve(
    pipe: Connection, make: Callable[..., Callable[[], Result]], arguments: tuple[object, ...]
) -> None:
    work = make(*arguments)
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        pipe.send(work())
