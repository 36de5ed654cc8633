"""A lineage: one spec's models in order, each taught by the one before (paper sections 3 and 5).

A scratch lineage starts at g0 without a teacher; a taught one starts at g1, taught by another
lineage. Both continue with born-again generations until none of the last `patience` ones is the
best on validation, or until the planned number is reached.
"""

from collections.abc import Sequence
from pathlib import Path

from lipnet.lineage.generation import WEIGHTS_FILE, Generation, best_generation
from lipnet.lineage.generation_run import GenerationRun, LineageListener
from lipnet.lineage.plan import LineageData, LineagePlan
from lipnet.lineage.summary import LineageSummary, write_lineage
from lipnet.train.engine import Engine


def train_lineage(
    plan: LineagePlan,
    data: LineageData,
    *,
    work: Path,
    engine: Engine,
    listener: LineageListener,
) -> list[Generation]:
    """Train the lineage's generations into `work`/g0, g1, ..., except those already finished.

    Each folder gets weights.safetensors, history.csv and generation.json; lineage.json is the
    summary. Resumes an interrupted call, also if one of another plan came in between. With several
    processes, the main one writes. A mean and deviation that are "auto" are those of the training
    crops.
    """
    measured, plan = plan.recipe.measured, plan.resolve(data.pixels)
    finished: list[Generation] = []
    teachers = plan.teachers
    for name in plan.generation_names:
        run = GenerationRun(plan, data, name, teachers, work / name, engine)
        run.check_processes()
        found = (run.find_finished() or run.make_way()) if engine.is_main else None
        generation = engine.processes.broadcast(found)
        if generation is None:
            generation = run.train(listener)
        finished.append(generation)
        teachers = (work / name / WEIGHTS_FILE,)
        if has_stopped(finished, plan.patience):
            break
    if engine.is_main:
        write_lineage(work, LineageSummary.of(plan.lineage, finished, measured))
    return finished


def has_stopped(finished: Sequence[Generation], patience: int) -> bool:
    """Whether none of the last `patience` generations beat the best one before them."""
    if len(finished) <= patience:
        return False
    return best_generation(finished) == best_generation(finished[:-patience])
