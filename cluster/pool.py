"""The pool that spreads items of work over cores or a Ray cluster; only importer of ray.

A pool of one is this very process: Ray takes seconds to start and gains it nothing. A larger one
is Ray actors, on this machine or, with RAY_ADDRESS, on a cluster (docs/cluster.md).
"""

import importlib
import itertools
import logging
import os
import socket
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import cv2

from lipnet.errors import InputError
from lipnet.files import digest_files

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_RETRIES = 3
ACTOR_BYTES = 700 * 1024**2  # what an actor may take at its peak; Ray places it by that
# Results are small records (what is large goes to disk in the actors), so a small store suffices.
OBJECT_STORE_BYTES = 200 * 1024**2
LOOK_SECONDS = 10.0  # how often the pool looks for nodes that came or went
ANSWER_SECONDS = 10.0
QUIET = {"log_to_driver": False, "logging_level": "WARNING"}
PASSED_ON = ("MLFLOW_TRACKING_URI",)  # and no secrets: Ray shows and logs what it is given
LIBRARIES = ("cv2", "dlib", "numpy")  # whose versions can change a number

_log = logging.getLogger(__name__)
_serials = itertools.count(1)


class WorkerLost(RuntimeError):
    """An item's actor died again and again, or no actor would start."""


def count_actors(wanted: int) -> int:
    """`wanted` actors, or one for each core that this process may use where `wanted` is 0."""
    return wanted if wanted > 0 else len(os.sched_getaffinity(0))


def map_shards(
    make_worker: Callable[[], Callable[[Item], Result]],
    items: Sequence[Item],
    *,
    name: str = "worker",
    actors: int = 0,
    on_result: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Results in the items' order; each actor (0: one a core) builds its worker once.

    One item is in flight for each actor. An item whose actor or node died is tried again on
    another, MAX_RETRIES times; what a worker raises is raised here as it was. `on_result` sees
    each result as it comes; Ray's dashboard calls actors and items by `name`. Results travel
    through Ray: return paths and counts, not arrays.
    With one actor or one item the worker runs in this process, so that its death is this one's.
    """
    if not items:
        return []
    # On a cluster every core may serve; here, those that this process may use.
    everywhere = actors == 0 and _names_cluster()
    wanted = len(items) if everywhere else min(count_actors(actors), len(items))
    tell = on_result or (lambda _: None)
    if wanted == 1:
        return _map_here(make_worker, items, tell)
    with connect(wanted) as ray:
        return _Pool(ray, make_worker, items, name=name, limit=wanted).map(tell)


def _map_here(
    make_worker: Callable[[], Callable[[Item], Result]],
    items: Sequence[Item],
    on_result: Callable[[Result], None],
) -> list[Result]:
    """The pool of one: the same work in this process, item after item."""
    threads = cv2.getNumThreads()
    try:
        work = _build_worker(make_worker)
        results = []
        for item in items:
            results.append(work(item))
            on_result(results[-1])
    finally:
        cv2.setNumThreads(threads)
    return results


def _build_worker(
    make_worker: Callable[[], Callable[[Item], Result]],
) -> Callable[[Item], Result]:
    """A worker that keeps to one core; OpenCV's own threads would fight the other actors."""
    cv2.setNumThreads(0)
    return make_worker()


def _names_cluster() -> bool:
    return os.environ.get("RAY_ADDRESS", "") not in ("", "local")


def _join_cluster(ray: Any) -> None:
    address = os.environ["RAY_ADDRESS"]
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if host and port.isdecimal():  # where nothing listens, Ray itself would try for minutes
            socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()
        # What a stage's processes there log to is what this one does, whatever `ray start` knew.
        own = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        ray.init(runtime_env={"env_vars": own} if own else None, **QUIET)
    except (OSError, RuntimeError) as error:  # nobody there; another version of Ray or Python
        raise InputError(
            f"cannot join Ray at RAY_ADDRESS {address!r}: {error}; start it there with this "
            "environment (docs/cluster.md), or unset RAY_ADDRESS to work on this machine alone"
        ) from error


@contextmanager
def connect(cores: int, *, gpus: int = 0) -> Iterator[Any]:
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
    if _names_cluster():
        _join_cluster(ray)
    else:
        ray.init(
            include_dashboard=False,
            num_cpus=cores,
            num_gpus=gpus,
            object_store_memory=OBJECT_STORE_BYTES,
            **QUIET,
        )
    try:
        yield ray
    finally:
        ray.shutdown(wait_for_processes=True)


def describe_process() -> dict[str, str]:
    """What of this process's code decides numbers: digests of its lipnet, library versions."""
    files = {
        name: digest_files([Path(module.__file__)])
        for name, module in list(sys.modules.items())
        if name.split(".")[0] == "lipnet" and module.__file__
    }
    loaded = {name: sys.modules[name] for name in LIBRARIES if name in sys.modules}
    return files | {name: str(vars(library)["__version__"]) for name, library in loaded.items()}


class _Actor(Generic[Item, Result]):
    """A process's worker, built by the first call in the folder where the stage was started."""

    def __init__(self, make_worker: Callable[[], Callable[[Item], Result]], home: str) -> None:
        self._make_worker = make_worker
        self._home = home

    def start(self) -> tuple[str, dict[str, str]]:
        """Build the worker; returns this node's name and what runs here."""
        node = os.uname().nodename
        try:
            os.chdir(self._home)
        except OSError as error:
            raise InputError(
                f"node {node} cannot enter {self._home} ({error.strerror}): every node needs the "
                "repository and its data there, on a disk that all share (docs/cluster.md)"
            ) from None
        self._work = _build_worker(self._make_worker)
        return node, describe_process()

    def work(self, item: Item) -> Result:
        return self._work(item)


class _Pool(Generic[Item, Result]):
    """Items waiting and calls in flight; only a started actor is given an item, one at a time."""

    def __init__(
        self,
        ray: Any,
        make_worker: Callable[[], Callable[[Item], Result]],
        items: Sequence[Item],
        *,
        name: str,
        limit: int,
    ) -> None:
        self._ray = ray
        self._make_worker = make_worker
        self._remote = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Actor)
        self._name = name
        self._items = items
        self._limit = limit
        self._here = describe_process()
        self._waiting = deque(range(len(items)))
        self._flight: dict[Any, tuple[Any, int | None]] = {}
        self._deaths: Counter[int] = Counter()
        self._false_starts = 0
        self._results: dict[int, Result] = {}

    def map(self, on_result: Callable[[Result], None]) -> list[Result]:
        """Work through the items with as many actors as the nodes have room for."""
        try:
            while len(self._results) < len(self._items):
                self._fill_room()
                done, _ = self._ray.wait(list(self._flight), timeout=LOOK_SECONDS)
                for call in done:
                    for value in self._settle(call):
                        on_result(value)
                if not done and all(index is None for _, index in self._flight.values()):
                    _log.warning("waiting for a free core and %d MiB", self._memory() // 1024**2)
        finally:
            for actor, _ in self._flight.values():  # an idle one ended with its last handle
                self._ray.kill(actor)
        return [self._results[index] for index in range(len(self._items))]

    def _fill_room(self) -> None:
        """Start actors up to the limit, the nodes' room and what is left to do.

        At least one is asked for: it waits until a node has room for it.
        """
        left = len(self._items) - len(self._results)
        if len(self._flight) >= min(self._limit, left):
            return
        memory = self._memory()
        room = sum(
            int(min(node.get("CPU", 0), node.get("memory", 0) // memory)) for node in self._nodes()
        )
        for _ in range(len(self._flight), min(self._limit, left, max(1, room))):
            self._start_actor(memory)

    def _nodes(self) -> list[dict[str, float]]:
        """What each living node has."""
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]

    def _memory(self) -> int:
        """Bytes to declare for an actor: never more than the largest node has."""
        largest = max((node.get("memory", 0) for node in self._nodes()), default=0)
        return max(1, int(min(ACTOR_BYTES, largest)))

    def _start_actor(self, memory: int) -> None:
        name = f"{self._name} {next(_serials)}"
        actor = self._remote.options(name=name, memory=memory).remote(
            self._make_worker, os.getcwd()
        )
        self._flight[actor.start.remote()] = (actor, None)

    def _settle(self, call: Any) -> list[Result]:
        """Take in a finished call and give its actor what waits next."""
        actor, index = self._flight.pop(call)
        try:
            value = self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:
            # A person can mend bad input without the actor's traceback.
            raise error.cause from (None if isinstance(error.cause, InputError) else error)
        except self._ray.exceptions.RayError as error:
            self._mourn(index, error)
            return []
        if index is None:
            self._false_starts = 0
            self._check_same_code(*value)
        else:
            self._results[index] = value
        if self._waiting:
            following = self._waiting.popleft()
            told = f"{self._name} {following + 1} of {len(self._items)}"
            call = actor.work.options(name=told).remote(self._items[following])
            self._flight[call] = (actor, following)
        return [] if index is None else [value]

    def _check_same_code(self, node: str, there: dict[str, str]) -> None:
        """InputError where an actor runs other code than the one that names its results."""
        other = [name for name in there if self._here.get(name, there[name]) != there[name]]
        if other:
            raise InputError(
                f"node {node} runs another {', '.join(sorted(other))} than this process: bring "
                "every node to the same commit and environment, then run it again"
            )

    def _mourn(self, index: int | None, error: Exception) -> None:
        """Count an actor's death against its item; None: it died before it was given one.

        A node that is lost takes all its actors with it, so there a start may fail for each.
        """
        if index is None:
            self._false_starts += 1
            what, deaths = "actors at their start", self._false_starts
            most = MAX_RETRIES * self._limit
        else:
            self._deaths[index] += 1
            what, deaths = f"the actor of {self._items[index]!r}", self._deaths[index]
            most = MAX_RETRIES
            self._waiting.appendleft(index)
        if deaths > most:
            cause = str(error).strip().splitlines()[0]
            raise WorkerLost(f"{what} died {deaths} times (out of memory?): {cause}")
