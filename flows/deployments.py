"""The flows that prefect.yaml deploys: the whole reproduction, and parts of it.

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
from pipeline.profile import LATEST, ProfileChoice

# More threads than stages ever run at a time; Walk.run limits how many stages run.
RUNNER: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=64)
LINEAGE_STAGES = ("scratch", "taught", "compressed")
PREDICTIONS = tuple(
    f"predict_{split}_{group}" for split in ("val", "test") for group in LINEAGE_STAGES
)
Parameters = ParamSpec("Parameters")


def name_run() -> str:
    """<flow>-<lineage> <profile>, or <flow>-<profile>, and the changes to the profile."""
    given = flow_run.parameters
    chosen = given.get("profile", LATEST)
    profile = load_params().profile if chosen == LATEST else str(chosen)
    lineage = [str(given["lineage"])] if "lineage" in given else []
    changes = list(given.get("changes") or [])
    return f"{flow_run.flow_name}-{' '.join([*lineage, profile, *changes])}"


def stage_flow(run: Callable[Parameters, State[Any]]) -> Flow[Parameters, State[Any]]:
    """`prefect.flow` with the options that all flows share."""
    options = flow(
        flow_run_name=name_run,
        persist_result=False,
        task_runner=RUNNER,  # type: ignore[arg-type]
    )
    return options(run)


def _named(profile: str) -> str | None:
    """The chosen profile; None for the one in params.yaml."""
    return None if profile == LATEST else profile


@stage_flow
def reproduce(
    profile: ProfileChoice = LATEST,
    changes: tuple[str, ...] = (),
    parallel: int = 0,
    force: bool = False,
    fresh: bool = False,
) -> State[Any]:
    """Run all stages of a profile that are out of date, from raw video to the leaderboard.

    Args:
        profile: The study to run: a file of conf/profile, or the one in the checkout's params.yaml.
        changes: Settings of the profile to replace, each as KEY=VALUE with a key of params.yaml.
            For example, `recipe.epochs=20` trains each model for 20 epochs. Without any, the
            profile that this checkout ran last keeps the settings of that run.
        parallel: The number of stages to run at a time; 0 for one per GPU, or one without a GPU
            or with `compute.workers` above 1.
        force: Also run stages that are up to date.
        fresh: Do not keep the settings of an earlier run of this profile.
    """
    return run_flow(
        Wanted(publish=True),
        _named(profile),
        changes,
        parallel=parallel,
        force=force,
        fresh=fresh,
    )


@stage_flow
def preprocess(
    profile: ProfileChoice = LATEST, changes: tuple[str, ...] = (), force: bool = False
) -> State[Any]:
    """Make the shards of mouth crops from raw video, and the quality report; trains nothing.

    Args:
        profile: The study to run: a file of conf/profile, or the one in the checkout's params.yaml.
        changes: Settings of the profile to replace, each as KEY=VALUE with a key of params.yaml.
            For example, `recipe.epochs=20` trains each model for 20 epochs. Without any, the
            profile that this checkout ran last keeps the settings of that run.
        force: Also run stages that are up to date.
    """
    return run_flow(Wanted(("shards", "quality")), _named(profile), changes, force=force)


@stage_flow
def train(
    lineage: str,
    profile: ProfileChoice = LATEST,
    changes: tuple[str, ...] = (),
    parallel: int = 0,
) -> State[Any]:
    """Train all generations of one lineage, after the stages that it needs: clips and teachers.

    Args:
        lineage: Its id in the profile, such as rn18-mstcn or sn05-tcn1-by-rn18.
        profile: The study to run: a file of conf/profile, or the one in the checkout's params.yaml.
        changes: Settings of the profile to replace, each as KEY=VALUE with a key of params.yaml.
            For example, `recipe.epochs=20` trains each model for 20 epochs. Without any, the
            profile that this checkout ran last keeps the settings of that run.
        parallel: The number of stages to run at a time; 0 for one per GPU, or one without a GPU
            or with `compute.workers` above 1.
    """
    wanted = Wanted(tuple(f"{group}@{lineage}" for group in LINEAGE_STAGES))
    return run_flow(wanted, _named(profile), changes, parallel=parallel)


@stage_flow
def report(profile: ProfileChoice = LATEST) -> State[Any]:
    """Update predictions, ensembles and the report; all lineages must be trained already.

    Args:
        profile: The study to report on: a file of conf/profile, or the one in the checkout's
            params.yaml.
    """
    wanted = Wanted((*PREDICTIONS, "select", "report"), above=False, publish=True)
    return run_flow(wanted, _named(profile))


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
        "changes", nargs="*", metavar="KEY=VALUE", help="settings of the profile to replace"
    )
    parser.add_argument(
        "--profile", help="a name from conf/profile (default: the profile in params.yaml)"
    )
    parser.add_argument(
        "--parallel",
        type=int,
        default=0,
        help="number of stages to run at a time (default: one per GPU; one without a GPU, or with "
        "compute.workers above 1)",
    )
    parser.add_argument("--force", action="store_true", help="also run stages that are up to date")
    options = parser.parse_args()
    if options.profile is None:
        try:
            load_params()
        except InputError as error:
            sys.exit(f"error: {error}")
    with find_server():
        state = reproduce(
            profile=options.profile or LATEST,
            changes=tuple(options.changes),
            parallel=options.parallel,
            force=options.force,
            fresh=options.profile is not None,
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
