"""The estimate as a table: each step, each lineage, what is left of them, and their total."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from pipeline.estimate import (
    Corpus,
    Estimate,
    LineageWork,
    Machine,
    format_bytes,
    format_seconds,
    time_left,
    time_lineage,
)
from pipeline.paths import Paths
from pipeline.schedule import schedule

COLUMNS = ("step", "disk", "time", "left")
CAPTION = (
    "xN: the models of a lineage. left: outputs that exist count as done; DVC makes those again "
    "whose inputs changed. Generations that stop early, and recorded teachers, take less."
)


@dataclass(frozen=True)
class Plan:
    """All that an estimate is made of; `left` are the seconds that each step still needs."""

    corpus: Corpus
    works: Sequence[LineageWork]
    machine: Machine
    rows: Sequence[Estimate]
    left: Sequence[float]


def time_remaining(
    rows: Sequence[Estimate],
    works: Sequence[LineageWork],
    corpus: Corpus,
    machine: Machine,
    paths: Paths | None,
) -> list[float]:
    """Seconds that each row still needs: 0 if its output is complete."""
    if paths is None:
        return [row.seconds for row in rows]
    complete = {
        "raw": paths.raw.is_dir(),
        "landmarks": (paths.landmarks / "summary.json").is_file(),
        "shards": (paths.shards / "summary.json").is_file(),
    }
    models = sum(work.generations for work in works)
    predicted = sum(
        work.generations for work in works if (paths.logits_test / work.lineage).is_dir()
    )
    left = []
    for row in rows:
        seconds = 0.0 if complete.get(row.step) else row.seconds
        if row.step == "models":
            seconds = sum(time_left(work, corpus, machine) for work in works)
        elif row.step == "logits" and models:
            seconds *= 1 - predicted / models
        left.append(seconds)
    return left


def time_on(plan: Plan, devices: int) -> float:
    """Seconds to train what is left on several devices: one lineage per device, each after its
    teacher."""
    left = {work.lineage: time_left(work, plan.corpus, plan.machine) for work in plan.works}
    teachers = {work.lineage: work.teacher for work in plan.works if work.teacher}
    return schedule(left, teachers, devices=devices)


def list_cells(plan: Plan) -> list[dict[str, str]]:
    """Each step as text, the lineages below the step "models", and the total."""
    cells = []
    for row, left in zip(plan.rows, plan.left, strict=True):
        cells.append(_cells(row.step, row.disk_bytes, row.seconds, left))
        if row.step == "models":
            cells += [_lineage_cells(work, plan) for work in plan.works]
    disk, seconds = (
        sum(row.disk_bytes for row in plan.rows),
        sum(row.seconds for row in plan.rows),
    )
    return [*cells, _cells("total", disk, seconds, sum(plan.left))]


def _lineage_cells(work: LineageWork, plan: Plan) -> dict[str, str]:
    """A lineage's row, with the number of its models."""
    size = 4 * work.parameters * work.generations
    seconds = time_lineage(work, plan.corpus, plan.machine)
    left = time_left(work, plan.corpus, plan.machine)
    return _cells(f"- {work.lineage} x{work.generations}", size, seconds, left)


def _cells(step: str, disk: float, seconds: float, left: float) -> dict[str, str]:
    shown = format_seconds(left) if left else "done" if seconds else "-"
    return dict(
        zip(COLUMNS, (step, format_bytes(disk), format_seconds(seconds), shown), strict=True)
    )


def make_table(cells: Sequence[dict[str, str]], profile: str) -> Table:
    """The estimate as a table to print, the total under a line."""
    table = Table(*COLUMNS, title=f"Preflight: {profile}, all steps", caption=CAPTION)
    for number, row in enumerate(cells, start=1):
        table.add_row(*row.values(), end_section=number == len(cells) - 1)
    return table
