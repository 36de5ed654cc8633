"""A fake Ray in one process; a test decides which nodes join and leave."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from ray import exceptions

from cluster.pool import ACTOR_BYTES

Node = dict[str, Any]


def make_node(cores: int, gibibytes: float = 1024, *, alive: bool = True) -> Node:
    """A node as `ray.nodes()` lists it."""
    return {"Alive": alive, "Resources": {"CPU": cores, "memory": gibibytes * 1024**3}}


@dataclass
class FakeRay:
    """Runs calls one at a time, in the order in which they were made, when they are waited for.

    `losses` has the errors of those jobs, by number from 1, whose actor dies without a result.
    """

    nodes_now: list[Node]
    losses: Mapping[int, Exception] = field(default_factory=dict)
    after_job: Callable[["FakeRay"], None] = lambda _: None
    max_in_flight: int = 0
    jobs: int = 0
    actor_options: list[dict[str, Any]] = field(default_factory=list)
    job_names: list[str] = field(default_factory=list)
    exceptions: Any = exceptions
    _pending: list["FakeCall"] = field(default_factory=list)

    def nodes(self) -> list[Node]:
        return self.nodes_now

    def remote(self, **_: Any) -> Callable[[type], Any]:
        return lambda kind: SimpleNamespace(options=lambda **o: self._make(kind, o))

    def _make(self, kind: type, options: dict[str, Any]) -> Any:
        self.actor_options.append(options)
        return SimpleNamespace(remote=lambda *arguments: FakeActor(self, kind(*arguments)))

    def submit(self, call: "FakeCall") -> "FakeCall":
        self._pending.append(call)
        return call

    def has_room(self) -> bool:
        return any(
            node["Alive"]
            and node["Resources"]["CPU"]
            and node["Resources"]["memory"] >= ACTOR_BYTES
            for node in self.nodes_now
        )

    def wait(self, calls: list["FakeCall"], timeout: float) -> tuple[list["FakeCall"], None]:
        self.max_in_flight = max(self.max_in_flight, len(calls))
        first = next(call for call in self._pending if call in calls)
        return ([first] if self.has_room() else []), None

    def get(self, call: "FakeCall") -> Any:
        self._pending.remove(call)
        if call.is_job:
            self.jobs += 1
            self.after_job(self)
            if self.jobs in self.losses:
                raise self.losses[self.jobs]
        return call.run()

    def kill(self, actor: "FakeActor") -> None:
        actor.killed = True


@dataclass(eq=False)
class FakeCall:
    """A call to an actor."""

    run: Callable[[], Any]
    is_job: bool


class FakeActor:
    """The handle of an actor."""

    def __init__(self, ray: FakeRay, inner: Any) -> None:
        self.killed = False
        self.start = SimpleNamespace(remote=lambda: ray.submit(FakeCall(inner.start, False)))
        work = SimpleNamespace(
            remote=lambda job: ray.submit(FakeCall(lambda: inner.work(job), True))
        )
        self.work = SimpleNamespace(options=lambda name: ray.job_names.append(name) or work)
