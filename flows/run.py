"""A flow run: select the profile, run the preflight check, walk the stages, show the report."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.states import Cancelled, Completed, Failed

from cluster.connection import uses_cluster
from flows.artifacts import show_preflight, show_report
from flows.command import Commands
from flows.graph import StageGraph, read_graph, read_stale
from flows.walk import (
    CACHED,
    RESTORED,
    RETRY_SECONDS,
    Walk,
    command_task,
    describe_failure,
    drop_repeated_logs,
)
from lipnet.errors import InputError
from pipeline.checkout import lock_checkout
from pipeline.params import load_params
from pipeline.paths import Paths

ROOT = Path()


@dataclass(frozen=True)
class Wanted:
    """The stages that a flow runs: all if `stages` is empty, else those stages or groups.

    above: also all stages that they need. publish: afterwards update MLflow and show the
    leaderboard.
    """

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
    fresh: bool = False,
) -> State[Any]:
    """Run the wanted stages of a profile, with changes to it; returns the flow's final state.

    Waits while another run uses the checkout. `fresh`: a profile that the checkout ran last does
    not keep the changes of that run.
    """
    commands = Commands()
    try:
        if parallel < 0:
            raise InputError(
                f"parallel is {parallel}: set it to the number of stages to run at a time, or to 0 "
                "for the default"
            )
        with drop_repeated_logs(), lock_checkout(wait=True, on_wait=get_run_logger().info) as lock:
            commands.keep_open(lock)
            try:
                if changes or fresh or (profile and profile != load_params().profile):
                    chosen = profile or load_params().profile
                    run_step("profile", ["pipeline.profile", chosen, *changes], commands)
                return walk_profile(wanted, parallel, force=force, commands=commands)
            finally:
                commands.stop()  # before the lock is released
    except InputError as error:
        return Failed(message=str(error))
    except (KeyboardInterrupt, TerminationSignal):
        return Cancelled(message="interrupted; run the same command again to continue")


def walk_profile(wanted: Wanted, parallel: int, *, force: bool, commands: Commands) -> State[Any]:
    """Run the steps of the flow in order, up to the first one that fails."""
    params = load_params()
    paths = Paths(params.profile)
    at_a_time = choose_parallel(parallel, params.compute.workers)
    estimate = ["pipeline.preflight", "--json", str(paths.preflight)]
    checked = run_step("preflight", estimate, commands)
    show_preflight(paths)
    graph = wanted.cut(read_graph(ROOT))
    walk = Walk(ROOT, graph, read_stale(ROOT), commands=commands, force=force, after=[checked])
    walk.run(at_a_time)
    if failure := describe_failure(graph.order, walk.states):
        return Failed(message=failure)
    if wanted.publish:
        publish_and_show(commands, walk.last)
    return Completed(message=count_stages(walk.states))


def count_stages(states: Mapping[str, State[Any]]) -> str:
    """How many stages were made by their code, restored from DVC's cache, or unchanged."""
    unchanged = sum(state.name == CACHED for state in states.values())
    restored = sum(state.name == RESTORED for state in states.values())
    made = len(states) - unchanged - restored
    return f"{len(states)} stages: {made} made, {restored} restored, {unchanged} unchanged"


def publish_and_show(commands: Commands, after: Sequence[State[Any]]) -> None:
    """Write the leaderboard, update MLflow, and show the leaderboard even if MLflow fails;
    InputError if one of them failed."""
    written = run_step("leaderboard", ["pipeline.leaderboard"], commands, after)
    failure = ""
    try:
        run_step("publish", ["tracking.publish"], commands, [written])
    except InputError as error:
        failure = f"all stages are done, but MLflow is not up to date: {error}"
    show_report(Paths(load_params().profile))
    if failure:
        raise InputError(
            f"{failure}\nto update it, run `python -m tracking.publish` or this flow again"
        )


def choose_parallel(parallel: int, workers: int) -> int:
    """The number of stages to run at a time: `parallel`, or by default one per GPU, or one if each
    training has several workers.

    InputError if trainings of several workers would run at the same time on the same GPUs: each
    of them starts a Ray of its own, which takes the first GPUs.
    """
    gpus = count_gpus()
    if workers == 1:
        return parallel or max(1, gpus)
    if parallel > 1 and gpus and not uses_cluster():
        raise InputError(
            f"parallel is {parallel} and compute.workers is {workers}: trainings that run at the "
            "same time would use the same GPUs; set parallel to 0 or 1, or compute.workers to 1, "
            "or set RAY_ADDRESS to a cluster's address"
        )
    return parallel or 1


def count_gpus() -> int:
    """The number of NVIDIA devices that this process may use, as listed by the driver."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return len([name for name in chosen.split(",") if name not in ("", "-1")])
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))


def run_step(
    name: str, arguments: list[str], commands: Commands, after: Sequence[State[Any]] = ()
) -> State[Any]:
    """Run `python -m <arguments>` as a task that is not a stage, after others in the graph; returns
    its state, or raises InputError if it fails."""
    retry_seconds = RETRY_SECONDS[""]
    step = command_task(name, retry_seconds)
    command = [sys.executable, "-m", *arguments]
    state = step(
        command,
        folder=str(ROOT),
        commands=commands,
        retry_seconds=retry_seconds,
        wait_for=list(after),
        return_state=True,
    )
    if state.is_cancelled():
        raise KeyboardInterrupt
    if not state.is_completed():
        raise InputError(f"{name} failed:\n{state.message}")
    return state
