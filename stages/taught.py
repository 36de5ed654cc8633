"""The stage `taught@<lineage>`: students of another lineage's best, then of their own line."""

import sys

from lipnet.distill.lineage import LineagePlan
from lipnet.errors import InputError
from stages.main import run_stage
from stages.params import load_params
from stages.train import teacher_weights, train


def main() -> None:
    """Train the lineage named on the command line."""
    if len(sys.argv) != 2:
        raise InputError("usage: python -m stages.taught LINEAGE")
    params, lineage = load_params(), sys.argv[1]
    if lineage not in params.taught:
        raise InputError(f"no taught lineage {lineage!r}; known: {', '.join(params.taught)}")
    entry = params.taught[lineage]
    plan = LineagePlan(
        lineage,
        params.spec_of(lineage),
        params.recipe_of(lineage),
        generations=entry.generations,
        patience=entry.patience,
        teacher=teacher_weights(params, entry.teacher),
    )
    train(params, plan)


if __name__ == "__main__":
    run_stage(main)
