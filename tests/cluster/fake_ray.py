"""A Ray of one process, whose nodes come and go as a test wants."""

from collections.abc import Callable
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
    """Calls are done one at a time, in the order that they were made, when they are waited for.

    `lose` names the works (counted from 1) whose actor dies instead of answering.
    """

    nodes_now: list[Node]
    lose: frozenset[int] = frozenset()
    after_work: Callable[["FakeRay"], None] = lambda _: None
    most_at_once: int = 0
    works: int = 0
    declared: list[dict[str, Any]] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    exceptions: Any = exceptions
    _held: list["FakeCall"] = field(default_factory=list)

    def nodes(self) -> list[Node]:
        return self.nodes_now

    def remote(self, **_: Any) -> Callable[[type], Any]:
        return lambda kind: SimpleNamespace(options=lambda **o: self._make(kind, o))

    def _make(self, kind: type, options: dict[str, Any]) -> Any:
        self.declared.append(options)
        return SimpleNamespace(remote=lambda *arguments: FakeActor(self, kind(*arguments)))

    def hold(self, call: "FakeCall") -> "FakeCall":
        self._held.append(call)
        return call

    def has_room(self) -> bool:
        return any(
            node["Alive"]
            and node["Resources"]["CPU"]
            and node["Resources"]["memory"] >= ACTOR_BYTES
            for node in self.nodes_now
        )

    def wait(self, calls: list["FakeCall"], timeout: float) -> tuple[list["FakeCall"], None]:
        self.most_at_once = max(self.most_at_once, len(calls))
        first = next(call for call in self._held if call in calls)
        return ([first] if self.has_room() else []), None

    def get(self, call: "FakeCall") -> Any:
        self._held.remove(call)
        if call.is_work:
            self.works += 1
            self.after_work(self)
            if self.works in self.lose:
                raise exceptions.ActorDiedError
        return call.answer()

    def kill(self, actor: "FakeActor") -> None:
        actor.killed = True


@dataclass(eq=False)
class FakeCall:
    """A call to an actor."""

    answer: Callable[[], Any]
    is_work: bool


class FakeActor:
    """An actor's handle."""

    def __init__(self, ray: FakeRay, inner: Any) -> None:
        self.killed = False
        self.start = SimpleNamespace(remote=lambda: ray.hold(FakeCall(inner.start, False)))
        work = SimpleNamespace(
            remote=lambda item: ray.hold(FakeCall(lambda: inner.work(item), True))
        )
        self.work = SimpleNamespace(options=lambda name: ray.named.append(name) or work)
