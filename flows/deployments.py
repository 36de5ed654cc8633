"""The flows that prefect.yaml deploys: the whole reproduction, and three parts of it.

DVC decides which stages are out of date. If a stage fails, the stages that need it are skipped,
and the others still run.
"""

import argparse
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from secrets import token_hex
from typing import Any, ParamSpec

from prefect import Flow, flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_SERVER_API_AUTH_STRING,
    temporary_settings,
)
from prefect.task_runners import ThreadPoolTaskRunner

from flows.run import Wanted, run_flow
from flows.servers import PREFECT
from lipnet.errors import InputError
from pipeline.params import load_params

# More threads than stages ever run at a time; Walk.run limits how many stages run.
RUNNER: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=64)
PREDICTIONS = (
    *("predict_val_scratch", "predict_val_taught"),
    *("predict_test_scratch", "predict_test_taught"),
)
Parameters = ParamSpec("Parameters")


def flow_named_by(
    name_run: Callable[[], str],
) -> Callable[[Callable[Parameters, State[Any]]], Flow[Parameters, State[Any]]]:
    """`prefect.flow` with the options that all flows share; `name_run` returns a run's name."""
    return flow(
        flow_run_name=name_run,
        persist_result=False,
        task_runner=RUNNER,  # type: ignore[arg-type]
    )


def name_by_profile() -> str:
    """<flow>-<profile>, and the changes to the profile."""
    profile = flow_run.parameters.get("profile") or load_params().profile
    return " ".join([f"{flow_run.flow_name}-{profile}", *_changes()])


def name_by_lineage() -> str:
    """train-<lineage>, the profile, and the changes to it."""
    profile = flow_run.parameters.get("profile") or load_params().profile
    return " ".join([f"train-{flow_run.parameters['lineage']}", profile, *_changes()])


def _changes() -> list[str]:
    return list(flow_run.parameters.get("changes") or [])


@flow_named_by(name_by_profile)
def reproduce(
    profile: str | None = None,
    changes: list[str] | None = None,
    parallel: int = 0,
    force: bool = False,
) -> State[Any]:
    """Run all stages of a profile that are out of date, from raw video to the leaderboard.

    Args:
        profile: a name from conf/profile; empty for the profile in params.yaml.
        changes: settings that replace those of the profile, one per line, such as recipe.epochs=20;
            if empty, those of the checkout's last run, if that was of the same profile.
        parallel: number of stages to run at a time; 0 for one per GPU, or one without a GPU.
        force: also run stages that are up to date.
    """
    return run_flow(Wanted(publish=True), profile, changes or (), parallel=parallel, force=force)


@flow_named_by(name_by_profile)
def preprocess(
    profile: str | None = None, changes: list[str] | None = None, force: bool = False
) -> State[Any]:
    """Make the shards of mouth crops from raw video, and the quality report; trains nothing.

    Args:
        profile: a name from conf/profile; empty for the profile in params.yaml.
        changes: settings that replace those of the profile, one per line, such as recipe.epochs=20;
            if empty, those of the checkout's last run, if that was of the same profile.
        force: also run stages that are up to date.
    """
    return run_flow(Wanted(("shards", "quality")), profile, changes or (), force=force)


@flow_named_by(name_by_lineage)
def train(
    lineage: str,
    profile: str | None = None,
    changes: list[str] | None = None,
    parallel: int = 0,
) -> State[Any]:
    """Train all generations of one lineage, after the stages that it needs: clips and teachers.

    Args:
        lineage: its id in the profile, such as rn18-mstcn or sn05-tcn1-by-rn18.
        profile: a name from conf/profile; empty for the profile in params.yaml.
        changes: settings that replace those of the profile, one per line, such as recipe.epochs=20;
            if empty, those of the checkout's last run, if that was of the same profile.
        parallel: number of stages to run at a time; 0 for one per GPU, or one without a GPU.
    """
    wanted = Wanted((f"scratch@{lineage}", f"taught@{lineage}"))
    return run_flow(wanted, profile, changes or (), parallel=parallel)


@flow_named_by(name_by_profile)
def report(profile: str | None = None) -> State[Any]:
    """Update predictions, ensembles and the report; all lineages must be trained already.

    Args:
        profile: a name from conf/profile; empty for the profile in params.yaml.
    """
    wanted = Wanted((*PREDICTIONS, "select", "report"), above=False, publish=True)
    return run_flow(wanted, profile)


def find_server() -> AbstractContextManager[object]:
    """Settings for the Prefect server: the one at PREFECT_API_URL, else that of `make ui` if it is
    running, else a temporary one with a password that only this process knows."""
    if PREFECT_API_URL.value():
        return nullcontext()
    if not PREFECT.is_up():
        password = f"lipnet:{token_hex(32)}"
        return temporary_settings(
            {PREFECT_API_AUTH_STRING: password, PREFECT_SERVER_API_AUTH_STRING: password}
        )
    print(f"see the flow run at {PREFECT.url}", flush=True)
    return temporary_settings({PREFECT_API_URL: f"{PREFECT.url}/api"})


def main() -> None:
    """Run the flow `reproduce`, as `make flow` does."""
    parser = argparse.ArgumentParser(prog="python -m flows.deployments", description=__doc__)
    parser.add_argument(
        "--profile", help="a name from conf/profile (default: the profile in params.yaml)"
    )
    parser.add_argument(
        "--parallel",
        type=int,
        default=0,
        help="number of stages to run at a time (default: one per GPU, or one without a GPU)",
    )
    parser.add_argument("--force", action="store_true", help="also run stages that are up to date")
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
