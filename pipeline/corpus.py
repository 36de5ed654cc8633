"""The corpus as the node of a job sees it: a node without it would fail each of its videos."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from lipnet.errors import InputError


class Indexed(Protocol):
    """The result of a job, with a record of each video or clip that failed."""

    @property
    def failures(self) -> Sequence[object]: ...


Job = TypeVar("Job")
Index = TypeVar("Index", bound=Indexed)


class CorpusWorker(Generic[Job, Index]):
    """A worker that raises InputError in place of a result with failures if this node sees nothing
    in the corpus's root."""

    def __init__(self, make_worker: Callable[[], Callable[[Job], Index]], root: Path) -> None:
        self._work = make_worker()
        self._root = root

    def __call__(self, job: Job) -> Index:
        index = self._work(job)
        if index.failures:
            check_visible(self._root)
        return index


def check_visible(root: Path) -> None:
    """InputError that names this node if the folder does not exist, is empty or cannot be read."""
    try:
        with os.scandir(root) as entries:
            fault = "" if any(entries) else "is empty"
    except OSError as error:
        fault = f"cannot be read ({error.strerror})"
    if fault:
        raise InputError(
            f"the corpus's folder {root} {fault} on node {os.uname().nodename}: mount it there, or "
            "set source.root to the folder that holds the corpus, then run this again"
        )
