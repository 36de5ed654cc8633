"""The stage `scratch@<lineage>`: a g0 without a teacher, and its born-again generations."""

from lipnet.lineage.plan import LineagePlan
from pipeline.params import load_params
from pipeline.program import run_stage
from pipeline.sections import find_start
from stages.train import choose_storage, named_lineage, train

USAGE = "usage: python -m stages.scratch LINEAGE"


def main() -> None:
    """Train the lineage named on the command line."""
    params = load_params()
    lineage = named_lineage(params.scratch, "scratch")
    entry = params.scratch[lineage]
    plan = LineagePlan(
        lineage,
        params.spec_of(lineage),
        params.recipe_of(lineage),
        generations=entry.generations,
        patience=entry.patience,
        initial=params.initial_recipe_of(lineage),
        start=find_start(lineage, entry.init),
        storage=choose_storage(params, lineage),
    )
    train(params, plan)


if __name__ == "__main__":
    run_stage(main)
