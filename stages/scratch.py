"""The stage `scratch@<lineage>`: a teacherless g0 and its born-again generations."""

import sys

from lipnet.distill.lineage import LineagePlan
from lipnet.errors import InputError
from stages.main import run_stage
from stages.params import load_params
from stages.train import train


def main() -> None:
    """Train the lineage named on the command line."""
    if len(sys.argv) != 2:
        raise InputError("usage: python -m stages.scratch LINEAGE")
    params, lineage = load_params(), sys.argv[1]
    if lineage not in params.scratch:
        raise InputError(f"no scratch lineage {lineage!r}; known: {', '.join(params.scratch)}")
    entry = params.scratch[lineage]
    plan = LineagePlan(
        lineage,
        params.spec_of(lineage),
        params.recipe_of(lineage),
        generations=entry.generations,
        patience=entry.patience,
        initial=params.initial_recipe_of(lineage),
    )
    train(params, plan)


if __name__ == "__main__":
    run_stage(main)
