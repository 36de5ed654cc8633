"""Flows over parts of the graph: the clips alone, one lineage, the report alone."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from flows.reproduce import RUNNER
from flows.steps import Wanted, run_flow
from stages.params import load_params


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


PREDICTIONS = (
    *("predict_val_scratch", "predict_val_taught"),
    *("predict_test_scratch", "predict_test_taught"),
)
