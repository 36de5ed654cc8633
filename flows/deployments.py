"""The flows that prefect.yaml deploys: the whole reproduction, and three parts of the graph.

DVC alone decides what is stale; what needs a failed stage is skipped and the rest goes on.
"""

import argparse
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.task_runners import ThreadPoolTaskRunner

from flows.run import Wanted, run_flow
from flows.servers import PREFECT
from lipnet.errors import InputError
from pipeline.params import load_params

# More threads than stages ever run at once; the walk itself keeps to `parallel`.
RUNNER: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=64)
PREDICTIONS = (
    *("predict_val_scratch", "predict_val_taught"),
    *("predict_test_scratch", "predict_test_taught"),
)


def name_by_profile() -> str:
    """<flow>-<profile>."""
    chosen = flow_run.parameters.get("profile") or load_params().profile
    return f"{flow_run.flow_name}-{chosen}"


def name_by_lineage() -> str:
    """train-<lineage>."""
    return f"train-{flow_run.parameters['lineage']}"


@flow(
    flow_run_name=name_by_profile,
    persist_result=False,
    task_runner=RUNNER,  # type: ignore[arg-type]
)
def reproduce(
    profile: str | None = None,
    changes: list[str] | None = None,
    parallel: int = 0,
    force: bool = False,
) -> State[Any]:
    """Make everything of one profile that is stale, from raw video to the leaderboard.

    Args:
        profile: which one (conf/profile); the one in params.yaml where empty.
        changes: all that the profile is to have, such as source.root=/data/grid; none: the profile
            as it ran last in this checkout, without any if that was another one.
        parallel: stages at once; 0 is one for each GPU, or one.
        force: run also what did not change.
    """
    return run_flow(Wanted(publish=True), profile, changes or (), parallel=parallel, force=force)


@flow(
    flow_run_name=name_by_profile,
    persist_result=False,
    task_runner=RUNNER,  # type: ignore[arg-type]
)
def preprocess(
    profile: str | None = None, changes: list[str] | None = None, force: bool = False
) -> State[Any]:
    """From raw video to shards of mouth crops, and how well that went; nothing is trained.

    Args:
        profile: which one (conf/profile); the one in params.yaml where empty.
        changes: all that the profile is to have, such as source.root=/data/grid; none: the profile
            as it ran last in this checkout, without any if that was another one.
        force: run also what did not change.
    """
    return run_flow(Wanted(("shards", "quality")), profile, changes or (), force=force)


@flow(
    flow_run_name=name_by_lineage,
    persist_result=False,
    task_runner=RUNNER,  # type: ignore[arg-type]
)
def train(
    lineage: str,
    profile: str | None = None,
    changes: list[str] | None = None,
    parallel: int = 0,
) -> State[Any]:
    """Train one lineage with its generations, and first whatever it needs: clips and teachers.

    Args:
        lineage: its id in the profile, such as rn18-mstcn or sn05-tcn1-by-rn18.
        profile: which one (conf/profile); the one in params.yaml where empty.
        changes: all that the profile is to have, such as source.root=/data/grid; none: the profile
            as it ran last in this checkout, without any if that was another one.
        parallel: stages at once; 0 is one for each GPU, or one.
    """
    wanted = Wanted((f"scratch@{lineage}", f"taught@{lineage}"))
    return run_flow(wanted, profile, changes or (), parallel=parallel)


@flow(
    flow_run_name=name_by_profile,
    persist_result=False,
    task_runner=RUNNER,  # type: ignore[arg-type]
)
def report(profile: str | None = None) -> State[Any]:
    """Predict, select and report anew; every lineage of the profile must be trained.

    Args:
        profile: which one (conf/profile); the one in params.yaml where empty.
    """
    wanted = Wanted((*PREDICTIONS, "select", "report"), above=False, publish=True)
    return run_flow(wanted, profile)


def find_server() -> AbstractContextManager[object]:
    """Settings for the server that PREFECT_API_URL names, else for the one of `make ui` if it
    runs, else for one of the flow's own that ends with it."""
    if PREFECT_API_URL.value() or not PREFECT.answers():
        return nullcontext()
    print(f"flow runs are shown at {PREFECT.url}", flush=True)
    return temporary_settings({PREFECT_API_URL: f"{PREFECT.url}/api"})


def main() -> None:
    """The command behind `make flow`."""
    parser = argparse.ArgumentParser(prog="python -m flows.deployments", description=__doc__)
    parser.add_argument("--profile", help="one of conf/profile (default: that of params.yaml)")
    parser.add_argument(
        "--parallel", type=int, default=0, help="stages at once (default: one a GPU)"
    )
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
