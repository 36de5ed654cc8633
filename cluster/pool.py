"""A pool that maps jobs over the cores of this machine or of a Ray cluster.

A pool of one runs in this process, because Ray takes seconds to start. A larger pool uses Ray
actors, on this machine or, if RAY_ADDRESS is set, on a cluster (docs/cluster.md).
"""

import itertools
import logging
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Generic, TypeVar

import cv2

from cluster.connection import connect, uses_cluster
from lipnet.errors import FaultError, InputError
from lipnet.files import digest_files

Job = TypeVar("Job")
Result = TypeVar("Result")

MAX_RETRIES = 3
ACTOR_BYTES = 700 * 1024**2  # an actor's peak memory, by which Ray schedules it
POLL_SECONDS = 10.0  # how often the pool checks for nodes that joined or left
# Ray's text for an actor that ended by itself: not for one on a lost node, nor for one that Ray
# ended because the node's memory was full
CRASHED = "its worker process has died"
# Modules whose versions can change results, and the distributions that may have installed them
LIBRARIES = {
    "ai_edge_litert": ("ai-edge-litert",),
    "cv2": ("opencv-python-headless", "opencv-python"),
    "dlib": ("dlib-bin", "dlib"),
    "numpy": ("numpy",),
}

_log = logging.getLogger(__name__)
_serials = itertools.count(1)


class WorkerLost(FaultError):
    """A job's actors died repeatedly, not all by themselves, or no actor could start."""


def count_actors(wanted: int) -> int:
    """`wanted`, or the number of cores that this process may use if `wanted` is 0."""
    return wanted if wanted > 0 else len(os.sched_getaffinity(0))


def map_jobs(
    make_worker: Callable[[], Callable[[Job], Result]],
    jobs: Sequence[Job],
    *,
    name: str = "worker",
    actors: int = 0,
    on_result: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Run every job, and return the results in the order of `jobs`.

    Each actor (0: one per core) builds its worker once and has one job at a time. If an actor or
    its node dies, its job is retried on another one, up to MAX_RETRIES times; then InputError if
    the job crashed each of its actors, else WorkerLost. An exception of a worker is raised here
    unchanged. `on_result` is called with each result as it arrives. Ray's dashboard shows actors
    and jobs by `name`; an error also has the job's attribute `name`, if it has one. Results pass
    through Ray's object store: return paths and counts, not arrays. With one actor or one job, the
    worker runs in this process.
    """
    if not jobs:
        return []
    # On a cluster, all its cores; on this machine, those that this process may use.
    everywhere = actors == 0 and uses_cluster()
    wanted = len(jobs) if everywhere else min(count_actors(actors), len(jobs))
    callback = on_result or (lambda _: None)
    if wanted == 1:
        return _map_here(make_worker, jobs, callback)
    with connect(wanted) as ray:
        return _Pool(ray, make_worker, jobs, name=name, limit=wanted).map(callback)


def _map_here(
    make_worker: Callable[[], Callable[[Job], Result]],
    jobs: Sequence[Job],
    on_result: Callable[[Result], None],
) -> list[Result]:
    """A pool of one: run the jobs in this process, one after another."""
    threads = cv2.getNumThreads()
    try:
        work = _build_worker(make_worker)
        results = []
        for job in jobs:
            results.append(work(job))
            on_result(results[-1])
    finally:
        cv2.setNumThreads(threads)
    return results


def _build_worker(
    make_worker: Callable[[], Callable[[Job], Result]],
) -> Callable[[Job], Result]:
    """Build a worker that uses one core: OpenCV's threads would compete with the other actors."""
    cv2.setNumThreads(0)
    return make_worker()


def describe_process() -> dict[str, str]:
    """The code that can change results: digests of lipnet's loaded modules, and the versions of
    installed libraries, loaded or not."""
    files = {
        name: digest_files([Path(module.__file__)])
        for name, module in list(sys.modules.items())
        if name.split(".")[0] == "lipnet" and module.__file__
    }
    installed = {name: _find_versions(made_by) for name, made_by in LIBRARIES.items()}
    return files | {name: found for name, found in installed.items() if found}


def _find_versions(distributions: Sequence[str]) -> str:
    """The versions of those that are installed, "" if none is."""
    found = []
    for name in distributions:
        with suppress(PackageNotFoundError):
            found.append(version(name))
    return " ".join(found)


class _Actor(Generic[Job, Result]):
    """A Ray actor; `start` builds its worker in `home`, the folder where the stage was started."""

    def __init__(self, make_worker: Callable[[], Callable[[Job], Result]], home: str) -> None:
        self._make_worker = make_worker
        self._home = home

    def start(self) -> tuple[str, dict[str, str]]:
        """Build the worker; returns this node's name and `describe_process()`."""
        node = os.uname().nodename
        try:
            os.chdir(self._home)
        except OSError as error:
            raise InputError(
                f"node {node} cannot open {self._home} ({error.strerror}): every node needs the "
                "repository and its data at this path, on a shared disk (docs/cluster.md)"
            ) from None
        self._work = _build_worker(self._make_worker)
        return node, describe_process()

    def work(self, job: Job) -> Result:
        return self._work(job)


class _Pool(Generic[Job, Result]):
    """Waiting jobs and calls in flight; an actor gets one job at a time, once it has started."""

    def __init__(
        self,
        ray: Any,
        make_worker: Callable[[], Callable[[Job], Result]],
        jobs: Sequence[Job],
        *,
        name: str,
        limit: int,
    ) -> None:
        self._ray = ray
        self._make_worker = make_worker
        self._remote = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Actor)
        self._name = name
        self._jobs = jobs
        self._limit = limit
        self._here = describe_process()
        self._waiting = deque(range(len(jobs)))
        self._flight: dict[Any, tuple[Any, int | None]] = {}
        self._deaths: Counter[int] = Counter()
        self._crashes: Counter[int] = Counter()
        self._failed_starts = 0
        self._most = 1  # actors that the nodes had room for at once
        self._results: dict[int, Result] = {}

    def map(self, on_result: Callable[[Result], None]) -> list[Result]:
        """Run the jobs with as many actors as the nodes have room for, up to the limit."""
        try:
            while len(self._results) < len(self._jobs):
                self._start_actors()
                done, _ = self._ray.wait(list(self._flight), timeout=POLL_SECONDS)
                for call in done:
                    for value in self._settle(call):
                        on_result(value)
                if not done and all(index is None for _, index in self._flight.values()):
                    _log.warning("waiting for a free core and %d MiB", self._memory() // 1024**2)
        finally:
            for actor, _ in self._flight.values():  # idle ones ended with their last handle
                self._ray.kill(actor)
        return [self._results[index] for index in range(len(self._jobs))]

    def _start_actors(self) -> None:
        """Start actors up to the limit, the room on the nodes and the number of jobs left.

        At least one is started: Ray keeps it waiting until a node has room.
        """
        left = len(self._jobs) - len(self._results)
        if len(self._flight) >= min(self._limit, left):
            return
        memory = self._memory()
        room = sum(
            int(min(node.get("CPU", 0), node.get("memory", 0) // memory)) for node in self._nodes()
        )
        wanted = min(self._limit, left, max(1, room))
        self._most = max(self._most, wanted)
        for _ in range(len(self._flight), wanted):
            self._start_actor(memory)

    def _nodes(self) -> list[dict[str, float]]:
        """The resources of each living node."""
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]

    def _memory(self) -> int:
        """Bytes to request for an actor: at most what the largest node has."""
        largest = max((node.get("memory", 0) for node in self._nodes()), default=0)
        return max(1, int(min(ACTOR_BYTES, largest)))

    def _start_actor(self, memory: int) -> None:
        name = f"{self._name} {next(_serials)}"
        actor = self._remote.options(name=name, memory=memory).remote(
            self._make_worker, os.getcwd()
        )
        self._flight[actor.start.remote()] = (actor, None)

    def _settle(self, call: Any) -> list[Result]:
        """Handle a finished call, and give its actor the next job; returns its result, if any."""
        actor, index = self._flight.pop(call)
        try:
            value = self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:
            # For bad input the message is enough, without the actor's traceback.
            raise error.cause from (None if isinstance(error.cause, InputError) else error)
        except self._ray.exceptions.RayError as error:
            self._count_death(index, error)
            return []
        if index is None:
            self._failed_starts = 0
            self._check_same_code(*value)
        else:
            self._results[index] = value
        if self._waiting:
            following = self._waiting.popleft()
            call = actor.work.options(name=self._number(following)).remote(self._jobs[following])
            self._flight[call] = (actor, following)
        return [] if index is None else [value]

    def _number(self, index: int) -> str:
        return f"{self._name} {index + 1} of {len(self._jobs)}"

    def _check_same_code(self, node: str, there: dict[str, str]) -> None:
        """InputError if an actor runs other code than this process."""
        other = [name for name in there if self._here.get(name, there[name]) != there[name]]
        if other:
            raise InputError(
                f"node {node} has another version of {', '.join(sorted(other))} than this process: "
                "use the same commit and environment on every node, then run it again"
            )

    def _count_death(self, index: int | None, error: Exception) -> None:
        """Count an actor's death for its job, and retry that; None: it died before its first job.

        A lost node takes all its actors with it, so starts may fail once per actor and retry.
        """
        if index is None:
            self._failed_starts += 1
            if self._failed_starts > MAX_RETRIES * self._most:
                raise WorkerLost(_describe_deaths("starting actors", self._failed_starts, error))
            return
        self._deaths[index] += 1
        self._crashes[index] += CRASHED in str(error)
        self._waiting.appendleft(index)
        deaths = self._deaths[index]
        if deaths <= MAX_RETRIES:
            return
        name = getattr(self._jobs[index], "name", "")
        job = f"{self._number(index)} ({name})" if name else self._number(index)
        if self._crashes[index] == deaths:
            raise InputError(
                f"{job} crashed its process {deaths} times: one of its videos may crash the "
                "decoder; or lower workers.actors if memory is short, then run it again"
            )
        raise WorkerLost(_describe_deaths(f"the actors of {job}", deaths, error))


def _describe_deaths(subject: str, deaths: int, error: Exception) -> str:
    cause = str(error).strip().splitlines()[0]
    return f"{subject} died {deaths} times (out of memory?): {cause}"
