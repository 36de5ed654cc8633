"""Trainings of one profile with several seeds: each row's test top-1, and its difference to another
one over seeds and clips together.

    python -m scripts.compare_seeds data1/synthetic data2/synthetic data3/synthetic \\
      --row small-int8:small --row small

prints a table in markdown. ROW and the one behind the colon are lineages, of which validation chose
the generation, cascades or ensembles. It reads models and saved logits of finished studies.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lipnet.errors import InputError
from lipnet.lineage.generation import WEIGHTS_FILE
from lipnet.measure.accuracy import Estimate, pooled_accuracy, pooled_difference
from lipnet.report.markdown import gain, interval, join
from lipnet.report.results import Entry, Outcome, Results, read_results
from lipnet.report.study import Study
from pipeline.program import run_program

HEADINGS = ("row", "bytes", "GFLOPs", "by seed", "mean [95 %]", "against", "difference [95 %]")


@dataclass(frozen=True)
class Row:
    """One row over M studies: means of its file's bytes (None: it has none) and GFLOPs, its top-1
    by study and over all, and what it is compared with."""

    name: str
    bytes: float | None
    gflops: float
    by_study: Sequence[float]
    top1: Estimate
    against: str
    difference: Estimate | None

    @property
    def cells(self) -> tuple[str, ...]:
        """The row under the headings."""
        own = self.difference
        return (
            *(f"`{self.name}`", "-" if self.bytes is None else f"{self.bytes:,.0f}"),
            *(f"{self.gflops:.3f}", ", ".join(f"{100 * value:.1f}" for value in self.by_study)),
            interval(self.top1.value, self.top1.low, self.top1.high),
            *(
                f"`{self.against}`" if own else "-",
                gain(own.value, own.low, own.high) if own else "-",
            ),
        )


def compare(studies: Sequence[Study], asked: Sequence[str]) -> list[Row]:
    """The rows of the studies, such as "small-int8:small"; InputError for one that is not in all of
    them, or for studies with different test clips."""
    found = [read_results(study) for study in studies]
    return [_compare(found, *text.partition(":")[::2]) for text in asked]


def _compare(found: Sequence[Results], name: str, against: str) -> Row:
    own = [find_entry(results, name) for results in found]
    outcomes = _outcomes_of(own)
    units_N = outcomes[0].units_N.tolist()
    right_MN = np.stack([outcome.correct_N for outcome in outcomes])
    files = [entry.folder / WEIGHTS_FILE for entry in own]
    has_file = all(path.is_file() for path in files)
    base = [find_entry(results, against) for results in found] if against else []
    return Row(
        name=name,
        bytes=float(np.mean([path.stat().st_size for path in files])) if has_file else None,
        gflops=float(np.mean([entry.gflops for entry in own])),
        by_study=[outcome.top1.value for outcome in outcomes],
        top1=pooled_accuracy([(right_N, units_N) for right_N in right_MN]),
        against=against,
        difference=pooled_difference(
            np.stack([outcome.correct_N for outcome in _outcomes_of(base)]), right_MN, units_N
        )
        if base
        else None,
    )


def find_entry(results: Results, name: str) -> Entry:
    """The cascade or ensemble of that name, or the generation that validation chose of the lineage;
    InputError if there is none."""
    for entry in results.everything:
        is_chosen = entry.chosen or entry.packing is not None
        if entry.name == name or (entry.lineage == name and is_chosen):
            return entry
    raise InputError(f"a study has no lineage, cascade or ensemble {name!r}")


def _outcomes_of(entries: Sequence[Entry]) -> list[Outcome]:
    found = [entry.outcomes["test"] for entry in entries]
    for own in found[1:]:
        same = np.array_equal(own.units_N, found[0].units_N)
        if not (same and np.array_equal(own.labels_N, found[0].labels_N)):
            raise InputError("the studies have different test clips: only recipe.seed may differ")
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.compare_seeds",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("studies", type=Path, nargs="+", metavar="STUDY")
    parser.add_argument("--row", action="append", required=True, metavar="ROW[:OTHER]")
    parsed = parser.parse_args(argv)
    rows = compare([Study(path) for path in parsed.studies], parsed.row)
    print(join(HEADINGS))
    print(f"|{'|'.join(['---', *['---:'] * (len(HEADINGS) - 1)])}|")
    for row in rows:
        print(join(row.cells))


if __name__ == "__main__":
    run_program(main)
