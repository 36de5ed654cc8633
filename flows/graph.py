"""The DVC graph as DVC's own command line tells it: stages, their order, and which are stale."""

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
    """Which stages each stage needs, in an order in which they can run."""

    needs: Mapping[str, frozenset[str]]

    @property
    def order(self) -> list[str]:
        """Every stage after the ones it needs; the same order for the same graph."""
        sorter = TopologicalSorter({name: sorted(self.needs[name]) for name in sorted(self.needs)})
        try:
            return list(sorter.static_order())
        except CycleError as error:
            raise InputError(f"the stages need each other in a circle: {error.args[1]}") from None

    def only(self, wanted: Collection[str], *, above: bool) -> "StageGraph":
        """The part with the wanted stages or whole groups ("scratch" is every scratch@...) that
        are there, and with all that they need where `above`; InputError where none is there."""
        kept = {name for name in self.needs if {name, name.partition("@")[0]} & set(wanted)}
        if not kept:
            told = ", ".join(self.order)
            raise InputError(f"no stage {' or '.join(sorted(wanted))} in this profile: {told}")
        for name in reversed(self.order) if above else ():
            kept |= self.needs[name] if name in kept else set()
        return StageGraph({name: self.needs[name] & kept for name in kept})

    def downstream(self, stage: str) -> set[str]:
        """Every stage that needs this one, directly or not."""
        found: set[str] = set()
        for name in self.order:
            if self.needs[name] & (found | {stage}):
                found.add(name)
        return found


def parse_dot(text: str) -> StageGraph:
    """The graph in what `dvc dag --dot` prints."""
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
    """The graph of the repository in `folder`; InputError with DVC's words where it has none."""
    graph = parse_dot(_ask_dvc(folder, "dag", "--dot"))
    if not graph.needs:
        raise InputError(f"no stages in {folder / 'dvc.yaml'}")
    return graph


def read_stale(folder: Path) -> set[str]:
    """The stages that DVC would not skip as things stand now."""
    return set(json.loads(_ask_dvc(folder, "status", "--json")))


def dvc_environment() -> dict[str, str]:
    """The environment for DVC and the stages under it: no telemetry, output line by line."""
    quiet = {"DVC_NO_ANALYTICS": "1", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **quiet}


def _ask_dvc(folder: Path, *arguments: str) -> str:
    answer = subprocess.run(
        command_of(arguments),
        cwd=folder,
        env=dvc_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        said = answer.stderr.strip() or answer.stdout.strip()
        raise InputError(f"`dvc {' '.join(arguments)}` failed in {folder}: {said}")
    return answer.stdout


def command_of(arguments: Sequence[str]) -> list[str]:
    """The DVC of this interpreter's environment, waiting where another one holds the lock."""
    return [*DVC, "--wait-for-lock", *arguments]
