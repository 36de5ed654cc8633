"""The DVC graph, as read from DVC's command line: stages, their order, and which are stale."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from lipnet.errors import InputError

DVC = (sys.executable, "-m", "dvc")
_EDGE = re.compile(r'^"([^"]+)" -> "([^"]+)";$')
_NODE = re.compile(r'^"([^"]+)";$')


@dataclass(frozen=True)
class StageGraph:
    """The stages that each stage needs, and an order in which they can run."""

    needs: Mapping[str, frozenset[str]]

    @property
    def order(self) -> list[str]:
        """Every stage after the ones it needs; the same order for the same graph."""
        sorter = TopologicalSorter({name: sorted(self.needs[name]) for name in sorted(self.needs)})
        try:
            return list(sorter.static_order())
        except CycleError as error:
            cycle = " -> ".join(error.args[1])
            raise InputError(f"the stages in dvc.yaml form a cycle: {cycle}") from None

    def only(self, wanted: Collection[str], *, above: bool) -> "StageGraph":
        """The subgraph of the wanted stages and groups ("scratch" is every scratch@...), with all
        that they need if `above`; InputError if none of them exists."""
        kept = {name for name in self.needs if {name, name.partition("@")[0]} & set(wanted)}
        if not kept:
            known = ", ".join(self.order)
            raise InputError(
                f"no stage {' or '.join(sorted(wanted))} in this profile; known: {known}"
            )
        for name in reversed(self.order) if above else ():
            kept |= self.needs[name] if name in kept else set()
        return StageGraph({name: self.needs[name] & kept for name in kept})


def parse_dot(text: str) -> StageGraph:
    """The graph from the output of `dvc dag --dot`."""
    needs: dict[str, set[str]] = {}
    for line in text.splitlines():
        if edge := _EDGE.match(line.strip()):
            upstream, stage = edge.groups()
            needs.setdefault(upstream, set())
            needs.setdefault(stage, set()).add(upstream)
        elif node := _NODE.match(line.strip()):
            needs.setdefault(node.group(1), set())
    return StageGraph({name: frozenset(above) for name, above in needs.items()})


def read_graph(folder: Path) -> StageGraph:
    """The graph of the repository in `folder`; InputError with DVC's message if it has none."""
    graph = parse_dot(_run_dvc(folder, "dag", "--dot"))
    if not graph.needs:
        raise InputError(f"no stages in {folder / 'dvc.yaml'}")
    return graph


def read_stale(folder: Path) -> set[str]:
    """The stages that DVC would run now."""
    return set(json.loads(_run_dvc(folder, "status", "--json")))


def dvc_environment() -> dict[str, str]:
    """The environment for DVC and its stages: no telemetry, unbuffered output."""
    quiet = {"DVC_NO_ANALYTICS": "1", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **quiet}


def _run_dvc(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        command_of(arguments),
        cwd=folder,
        env=dvc_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        message = done.stderr.strip() or done.stdout.strip()
        raise InputError(f"`dvc {' '.join(arguments)}` failed in {folder}: {message}")
    return done.stdout


def command_of(arguments: Sequence[str]) -> list[str]:
    """A command for this environment's DVC, which waits while another DVC holds the lock."""
    return [*DVC, "--wait-for-lock", *arguments]
