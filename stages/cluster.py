"""The Ray actor pool that spreads items of work over cores or a cluster; only importer of ray."""

import importlib
import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_RETRIES = 3
# Results are small records (what is large goes to disk in the actors), so a small store suffices.
OBJECT_STORE_BYTES = 200 * 1024**2


class WorkerLost(RuntimeError):
    """An item's actor died again and again, or no actor would start."""


def count_actors(wanted: int) -> int:
    """`wanted` actors, or one for each core that this process may use where `wanted` is 0."""
    return wanted if wanted > 0 else len(os.sched_getaffinity(0))


def map_shards(
    make_worker: Callable[[], Callable[[Item], Result]],
    items: Sequence[Item],
    *,
    actors: int = 0,
    on_result: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Results in the items' order; each actor (0: one a core) builds its worker once.

    One item is in flight for each actor. An item whose actor died is tried again on a new one,
    MAX_RETRIES times; what a worker raises is raised here as it was. `on_result` sees each
    result as it comes. Results travel through Ray: return paths and counts, not arrays.
    """
    if not items:
        return []
    # On a cluster every core may serve; here, those that this process may use.
    everywhere = actors == 0 and bool(os.environ.get("RAY_ADDRESS"))
    wanted = len(items) if everywhere else min(count_actors(actors), len(items))
    with _connect(wanted) as ray:
        room = max(1, int(ray.cluster_resources().get("CPU", 1)))
        return _Pool(ray, make_worker, items).map(min(wanted, room), on_result)


@contextmanager
def _connect(actors: int) -> Iterator[Any]:
    """Ray, joined where RAY_ADDRESS names a cluster, else started here and stopped at the end."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Without this, Ray warns of a coming change in how it hides GPUs from actors that ask for none.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # It tells every time that actors are reached by a token only, which is as it should be.
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
    ray = importlib.import_module("ray")  # takes seconds, so only where there is work
    if ray.is_initialized():
        yield ray
        return
    local: dict[str, object] = {
        "include_dashboard": False,
        "num_cpus": actors,
        "num_gpus": 0,
        "object_store_memory": OBJECT_STORE_BYTES,
    }
    where = {} if os.environ.get("RAY_ADDRESS") else local
    ray.init(log_to_driver=False, logging_level="WARNING", **where)
    try:
        yield ray
    finally:
        ray.shutdown()


class _Actor(Generic[Item, Result]):
    """A process's worker, built by the first call."""

    def __init__(self, make_worker: Callable[[], Callable[[Item], Result]]) -> None:
        self._make_worker = make_worker

    def start(self) -> None:
        """Build the worker; OpenCV's own threads would fight the other actors for the cores."""
        importlib.import_module("cv2").setNumThreads(0)
        self._work = self._make_worker()

    def work(self, item: Item) -> Result:
        return self._work(item)


class _Pool(Generic[Item, Result]):
    """Items waiting, actors idle and what is in flight; only a started actor is given an item."""

    def __init__(
        self,
        ray: Any,
        make_worker: Callable[[], Callable[[Item], Result]],
        items: Sequence[Item],
    ) -> None:
        self._ray = ray
        self._make_worker = make_worker
        self._remote = ray.remote(num_cpus=1, max_restarts=0)(_Actor)
        self._items = items
        self._waiting = deque(range(len(items)))
        self._flight: dict[Any, tuple[Any, int | None]] = {}
        self._deaths: Counter[int | None] = Counter()
        self._results: dict[int, Result] = {}

    def map(self, actors: int, on_result: Callable[[Result], None] | None) -> list[Result]:
        """Work through the items with so many actors."""
        for _ in range(actors):
            self._start_actor()
        while len(self._results) < len(self._items):
            done, _ = self._ray.wait(list(self._flight), num_returns=1)
            result = self._settle(done[0])
            if on_result is not None:
                for value in result:
                    on_result(value)
        return [self._results[index] for index in range(len(self._items))]

    def _start_actor(self) -> None:
        actor = self._remote.remote(self._make_worker)
        self._flight[actor.start.remote()] = (actor, None)

    def _settle(self, call: Any) -> list[Result]:
        """Take in a finished call and give its actor, or a new one, what waits next."""
        actor, index = self._flight.pop(call)
        try:
            value = self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            self._mourn(index, error)
            self._start_actor()
            return []
        if index is not None:
            self._results[index] = value
        if self._waiting:
            following = self._waiting.popleft()
            call = actor.work.remote(self._items[following])
            self._flight[call] = (actor, following)
        return [] if index is None else [value]

    def _mourn(self, index: int | None, error: Exception) -> None:
        """Count an actor's death against its item (None: it died while starting)."""
        self._deaths[index] += 1
        if self._deaths[index] > MAX_RETRIES:
            what = (
                "an actor at its start" if index is None else f"the actor of {self._items[index]!r}"
            )
            cause = str(error).strip().splitlines()[0]
            raise WorkerLost(f"{what} died {self._deaths[index]} times (out of memory?): {cause}")
        if index is not None:
            self._waiting.appendleft(index)
