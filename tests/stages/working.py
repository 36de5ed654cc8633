"""Fakes of the actor pool, of dlib and of MLflow, so that stages run in this process."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lipnet.landmarks.tracker import Tracker
from tests.lipnet.video.making import FakeDetector


class Killed(BaseException):
    """What kill -9 is to a stage in this process: nothing catches it."""


class Untracked:
    """A run of a model (tracking.live.ModelRun) that nothing records."""

    def __init__(self, profile: str, identity: Any) -> None:
        self.identity = identity

    def __enter__(self) -> "Untracked":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def log_epoch(self, epoch: int, metrics: object) -> None:
        return

    def finish(self) -> None:
        return


def map_here(
    make_worker: Callable[[], Callable[[Any], Any]],
    items: Sequence[Any],
    *,
    name: str = "worker",
    actors: int = 0,
    on_result: Callable[[Any], None] | None = None,
) -> list[Any]:
    work = make_worker()
    results = []
    for item in items:
        results.append(work(item))
        if on_result is not None:
            on_result(results[-1])
    return results


def map_until_killed(done: int) -> Callable[..., list[Any]]:
    """A pool that dies after `done` items."""

    def map_some(make_worker: Any, items: Sequence[Any], **_: Any) -> list[Any]:
        map_here(make_worker, items[:done])
        raise Killed

    return map_some


def fake_tracker(**places: Any) -> Tracker:
    return Tracker(FakeDetector(), **places)


def tree_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
