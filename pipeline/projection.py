"""The hours that each profile takes on a machine that `lipnet doctor` measured.

REPORT is a file that `lipnet doctor --report` wrote, here or elsewhere. A corpus counts as it is in
the profile's manifest, else as its authors published it; nothing counts as done. --cores N counts
that many cores of a machine with a GPU, --gpus N adds a column for N GPUs by `make flow`.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from lipnet.doctor.rates import read_rates
from lipnet.errors import InputError
from pipeline.estimate import Machine, format_seconds
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.plan_table import Plan, time_on
from pipeline.preflight import make_plan
from pipeline.profile import compose_profile, known_profiles
from pipeline.program import run_program
from pipeline.reported import rate_reported
from pipeline.work import find_corpus

USAGE = "usage: python -m pipeline.projection REPORT [--cores N] [--gpus N]"
PREPROCESSING = ("raw", "landmarks", "shards")
CAPTION = (
    "models: trained + compressed ones. training: one model after the other, with predictions. "
    "Generations that stop early, and recorded teachers, take less."
)


@dataclass(frozen=True)
class Projection:
    """A profile's plan, None if the size of its corpus is not known, and its compressed models."""

    profile: str
    plan: Plan | None
    compressed: int = 0

    @property
    def models(self) -> str:
        """The number of models, as trained + compressed."""
        works = self.plan.works if self.plan is not None else ()
        trained = sum(work.generations for work in works) - self.compressed
        return f"{trained} + {self.compressed}" if self.compressed else str(trained)

    def cells(self, gpus: int | None) -> list[str]:
        """The row of the table."""
        if self.plan is None:
            return [self.profile, "-", "-", "-", "-", *(["-"] if gpus else [])]
        plan = self.plan
        seconds = {row.step: row.seconds for row in plan.rows}
        prepared = sum(seconds[step] for step in PREPROCESSING)
        predicted = seconds["logits"]
        several = [format_seconds(time_on(plan, gpus) + predicted / gpus)] if gpus else []
        return [
            self.profile,
            f"{plan.corpus.clips.get('train', 0):,}",
            self.models,
            format_seconds(prepared),
            format_seconds(seconds["models"] + predicted),
            *several,
        ]


def main() -> None:
    """Print the table and where its rates come from."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.projection", usage=USAGE)
    parser.add_argument("report", type=Path)
    parser.add_argument("--cores", type=int)
    parser.add_argument("--gpus", type=int)
    asked = parser.parse_args(sys.argv[1:])
    if any(count is not None and count < 1 for count in (asked.cores, asked.gpus)):
        raise InputError("--cores and --gpus are 1 or more")
    rated = rate_reported(read_rates(asked.report), asked.cores)
    projections = list(project(rated.machine))
    console = Console()
    console.print(make_table(projections, rated.machine.device, asked.gpus))
    for line in (f"rate: {rated.origin}", *describe_unknown(projections)):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def project(machine: Machine) -> Iterator[Projection]:
    """Every profile's plan on the machine, if nothing of it has been made."""
    for profile in known_profiles():
        params = load_profile(profile)
        corpus = find_corpus(params, Paths(profile))
        plan = None if corpus is None else make_plan(params, corpus, machine, None)
        yield Projection(profile, plan, len(params.compressed))


def load_profile(profile: str) -> Params:
    """The profile's params, with any folder as a source.root that its user has yet to set."""
    with TemporaryDirectory() as folder:
        return compose_profile(profile, [], Path(folder) / "params.yaml", any_root=True)


def make_table(projections: list[Projection], device: str, gpus: int | None) -> Table:
    """A row per profile."""
    one = "training, one GPU" if device == "cuda" else "training"
    several = [f"make flow, {gpus} GPUs"] if gpus else []
    table = Table(title="Every profile on this machine", caption=CAPTION)
    table.add_column("profile", no_wrap=True)
    for heading in ("training clips", "models", "landmarks, shards", one, *several):
        table.add_column(heading, justify="right")
    for projection in projections:
        table.add_row(*projection.cells(gpus))
    return table


def describe_unknown(projections: list[Projection]) -> list[str]:
    """A line for the profiles without a row of numbers."""
    names = [projection.profile for projection in projections if projection.plan is None]
    if not names:
        return []
    return [
        f"{', '.join(names)}: the size of the corpus is not known; give it to pipeline.preflight "
        "by --profile, --clips and --labels, with --doctor"
    ]


if __name__ == "__main__":
    run_program(main)
