"""What every flow does: the profile, a preflight, a walk over stages, and what is shown of it."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.states import Cancelled, Completed, Failed

from flows.artifacts import show_report
from flows.command import Commands
from flows.graph import StageGraph, read_graph, read_stale
from flows.walk import CACHED, WAITS, Walk, describe_failure, name_command
from lipnet.errors import InputError
from pipeline.checkout import hold_checkout
from pipeline.params import load_params
from pipeline.paths import Paths

ROOT = Path()


@dataclass(frozen=True)
class Wanted:
    """Which stages a flow walks: all, or those named (or whole groups) and, where `above`, all
    that they need; `publish` brings MLflow level afterwards and shows the leaderboard."""

    stages: tuple[str, ...] = ()
    above: bool = True
    publish: bool = False

    def cut(self, graph: StageGraph) -> StageGraph:
        return graph.only(self.stages, above=self.above) if self.stages else graph


def run_flow(
    wanted: Wanted,
    profile: str | None,
    changes: Sequence[str] = (),
    *,
    parallel: int = 0,
    force: bool = False,
) -> State[Any]:
    """Walk the wanted stages of a profile, with changes to it, and say how that ended.

    One flow run works in a checkout at a time; the next one waits.
    """
    commands = Commands()
    try:
        if parallel < 0:
            raise InputError(f"parallel {parallel}: how many stages at once, 0 for the default")
        with hold_checkout(wait=True, tell=get_run_logger().info) as lock:
            commands.bequeath(lock)
            try:
                if changes or (profile and profile != load_params().profile):
                    chosen = profile or load_params().profile
                    run_step("profile", ["pipeline.profile", chosen, *changes], commands)
                return walk_profile(wanted, parallel, force=force, commands=commands)
            finally:
                commands.stop()  # before the checkout is let go
    except InputError as error:
        return Failed(message=str(error))
    except (KeyboardInterrupt, TerminationSignal):
        return Cancelled(message="interrupted; the same command goes on where it stopped")


def walk_profile(wanted: Wanted, parallel: int, *, force: bool, commands: Commands) -> State[Any]:
    """The flow's own order; the first step that fails is its end."""
    run_step("preflight", ["pipeline.preflight"], commands)
    graph = wanted.cut(read_graph(ROOT))
    walk = Walk(ROOT, graph, read_stale(ROOT), commands=commands, force=force)
    walk.go(parallel or max(1, count_gpus()))
    if failure := describe_failure(graph.order, walk.states):
        return Failed(message=failure)
    if wanted.publish:
        publish_and_show(commands)
    cached = sum(state.name == CACHED for state in walk.states.values())
    ran = len(graph.order) - cached
    return Completed(message=f"{len(graph.order)} stages: {ran} made, {cached} had not changed")


def publish_and_show(commands: Commands) -> None:
    """Bring MLflow level, and show the leaderboard whether or not that works; InputError if not."""
    lacking = ""
    try:
        run_step("publish", ["tracking.publish"], commands)
    except InputError as error:
        lacking = f"every stage is made, and only MLflow lacks some of it: {error}"
    show_report(Paths(load_params().profile))
    if lacking:
        raise InputError(
            f"{lacking}\n`python -m tracking.publish` brings it, or the same run again"
        )


def count_gpus() -> int:
    """How many NVIDIA devices this process may use, by what their driver lists."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return len([name for name in chosen.split(",") if name not in ("", "-1")])
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))


def run_step(name: str, arguments: list[str], commands: Commands) -> None:
    """Run `python -m <arguments>` as a task beside the stages; InputError where it fails."""
    waits = WAITS[""]
    step = name_command(name, waits)
    command = [sys.executable, "-m", *arguments]
    state = step(command, folder=str(ROOT), commands=commands, waits=waits, return_state=True)
    if state.is_cancelled():
        raise KeyboardInterrupt
    if not state.is_completed():
        raise InputError(f"{name} failed:\n{state.message}")
