"""The reproduction as a Prefect flow: preflight, a walk over the DVC graph, MLflow, leaderboard.

DVC alone decides what is stale; what needs a failed stage is skipped and the rest goes on.
"""

import argparse
import csv
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_link_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.command import Commands
from flows.graph import read_graph, read_stale
from flows.ui import MLFLOW, PREFECT
from flows.walk import CACHED, Walk, describe_failure, run_command
from lipnet.errors import InputError
from stages.params import load_params
from stages.paths import Paths

ROOT = Path()
# More threads than stages ever run at once; the walk itself keeps to `parallel`.
RUNNER: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=64)


def name_flow_run() -> str:
    """reproduce-<profile>; the profile of params.yaml where none is given."""
    return f"reproduce-{flow_run.parameters.get('profile') or load_params().profile}"


@flow(
    flow_run_name=name_flow_run,
    persist_result=False,
    task_runner=RUNNER,  # type: ignore[arg-type]
)
def reproduce(profile: str | None = None, parallel: int = 0, force: bool = False) -> State[Any]:
    """Make everything of one profile that is stale, from raw video to the leaderboard.

    Args:
        profile: which one (conf/profile); the one in params.yaml where empty.
        parallel: stages at once; 0 is one for every two cores.
        force: run also what did not change.
    """
    commands = Commands()
    try:
        return walk_profile(profile, parallel, force=force, commands=commands)
    except InputError as error:
        return Failed(message=str(error))
    except (KeyboardInterrupt, TerminationSignal):
        return Cancelled(message="interrupted; the same command goes on where it stopped")
    finally:
        commands.stop()


def walk_profile(
    profile: str | None, parallel: int, *, force: bool, commands: Commands
) -> State[Any]:
    """The flow's own order; the first step that fails is its end."""
    if profile and profile != load_params().profile:
        run_step("profile", ["stages.profile", profile], commands)
    run_step("preflight", ["stages.preflight"], commands)
    graph = read_graph(ROOT)
    walk = Walk(ROOT, graph, read_stale(ROOT), commands=commands, force=force)
    walk.go(parallel or max(1, (os.cpu_count() or 1) // 2))
    if failure := describe_failure(graph.order, walk.states):
        return Failed(message=failure)
    chosen = load_params().profile
    run_step("publish", ["stages.publish"], commands)
    show_leaderboard(Paths(chosen).report / "leaderboard.csv", chosen)
    cached = sum(state.name == CACHED for state in walk.states.values())
    ran = len(graph.order) - cached
    return Completed(message=f"{len(graph.order)} stages: {ran} made, {cached} had not changed")


def run_step(name: str, arguments: list[str], commands: Commands) -> None:
    """Run `python -m <arguments>` as a task beside the stages; InputError where it fails."""
    step = run_command.with_options(name=name, task_run_name=name)
    command = [sys.executable, "-m", *arguments]
    state = step(command, folder=str(ROOT), commands=commands, return_state=True)
    if state.is_cancelled():
        raise KeyboardInterrupt
    if not state.is_completed():
        raise InputError(f"{name} failed:\n{state.message}")


def show_leaderboard(path: Path, profile: str) -> None:
    """The leaderboard as a table in Prefect, with the way to its twin in MLflow."""
    with path.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    create_table_artifact(
        table=rows, key=f"leaderboard-{profile}", description=f"Leaderboard of {profile}"
    )
    create_link_artifact(
        link=find_mlflow(),
        link_text=f"MLflow: experiment lipnet-{profile}",
        key=f"mlflow-{profile}",
    )


def find_mlflow() -> str:
    """Where MLflow is looked at: the server that runs are logged to, else that of `make ui`."""
    tracking = os.environ.get("MLFLOW_TRACKING_URI", "")
    return tracking if tracking.startswith("http") else MLFLOW.url


def find_server() -> AbstractContextManager[object]:
    """Settings for the server that PREFECT_API_URL names, else for the one of `make ui` if it
    runs, else for one of the flow's own that ends with it."""
    if PREFECT_API_URL.value() or not PREFECT.answers():
        return nullcontext()
    print(f"flow runs are shown at {PREFECT.url}", flush=True)
    return temporary_settings({PREFECT_API_URL: f"{PREFECT.url}/api"})


def main() -> None:
    """The command behind `make flow`."""
    parser = argparse.ArgumentParser(prog="python -m flows.reproduce", description=__doc__)
    parser.add_argument("--profile", help="one of conf/profile (default: that of params.yaml)")
    parser.add_argument("--parallel", type=int, default=0, help="stages at once (default: cores/2)")
    parser.add_argument("--force", action="store_true", help="run also what did not change")
    options = parser.parse_args()
    try:
        load_params()
    except InputError as error:
        sys.exit(f"error: {error}")
    with find_server():
        state = reproduce(
            profile=options.profile,
            parallel=options.parallel,
            force=options.force,
            return_state=True,
        )
    if state.is_cancelled():
        print(state.message, file=sys.stderr)
        sys.exit(130)
    if not state.is_completed():
        sys.exit(f"error: {state.message}")
    print(state.message, flush=True)


if __name__ == "__main__":
    main()
