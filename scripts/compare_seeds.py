"""Trainings with several seeds: each row's test top-1, and its difference to another one over seeds
and clips together.

    python -m scripts.compare_seeds data1/synthetic data2/synthetic data3/synthetic \\
      --row small-int8:small --row small
    python -m scripts.compare_seeds data/grid_beyond --row sn05-tcn1-ema-by-rn18:sn05-tcn1-by-rn18

prints a table in markdown. Several studies are one profile by several seeds: ROW and OTHER each
name a lineage (its best generation on validation), a model, a cascade or an ensemble. In one study
they each name a lineage that was trained by several seeds, by any of its ids, or one of its models.
It reads the models and saved logits of finished studies.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lipnet.errors import InputError
from lipnet.files import digest_of
from lipnet.lineage.generation import model_file
from lipnet.measure.accuracy import Estimate, pooled_accuracy, pooled_difference
from lipnet.report.markdown import gain, interval, join
from lipnet.report.recipes import without_seed
from lipnet.report.results import Entry, Outcome, Results, read_results
from lipnet.report.seeds import find_families
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
    them, or for studies that differ in more than the seed."""
    found = {study.root: read_results(study) for study in studies}
    if len(found) < len(studies):
        raise InputError("a study is given twice: each is one training")
    return [_compare(found, *text.partition(":")[::2]) for text in asked]


def _compare(found: Mapping[Path, Results], name: str, against: str) -> Row:
    own, outcomes = _find_all(found, name)
    units_N = outcomes[0].units_N
    right_MN = np.stack([outcome.correct_N for outcome in outcomes])
    sizes = [size for entry in own if (size := _file_bytes(entry)) is not None]
    difference = None
    if against:
        bases, others = _find_all(found, against)
        if [entry.seed for entry in bases] != [entry.seed for entry in own]:
            raise InputError(f"{name} and {against} were trained by different seeds")
        base_MN = np.stack([outcome.correct_N for outcome in others])
        difference = pooled_difference(base_MN, right_MN, units_N)
    return Row(
        name=name,
        bytes=float(np.mean(sizes)) if len(sizes) == len(own) else None,
        gflops=float(np.mean([entry.gflops for entry in own])),
        by_study=[outcome.top1.value for outcome in outcomes],
        top1=pooled_accuracy([(right_N, units_N) for right_N in right_MN]),
        against=against,
        difference=difference,
    )


def _file_bytes(entry: Entry) -> int | None:
    """The bytes of the model's file; None if it has none here, or several."""
    if entry.packing:
        return entry.packing.file_bytes
    path = model_file(entry.folder)
    return path.stat().st_size if entry.generation and path.is_file() else None


def _find_all(
    found: Mapping[Path, Results], name: str
) -> tuple[Sequence[Entry], Sequence[Outcome]]:
    """Each study's entry of that name, and what it predicted for the test clips that all share."""
    if len(found) == 1:
        return _find_repeated(*found.items(), name)
    entries, parts = [], []
    for root, results in found.items():
        entry = find_entry(results, name)
        if entry is None:
            raise InputError(f"{root} has no lineage, model, cascade or ensemble {name!r}")
        entries.append(entry)
        parts.append([results.entry(member) for member in entry.members] or [entry])
    outcomes = [entry.outcomes["test"] for entry in entries]
    for root, own in zip(found, outcomes, strict=True):
        same = np.array_equal(own.units_N, outcomes[0].units_N)
        if not (same and np.array_equal(own.labels_N, outcomes[0].labels_N)):
            raise InputError(f"{root} has other test clips than {next(iter(found))}")
    _check_seeds(name, parts)
    return entries, outcomes


def _find_repeated(
    study: tuple[Path, Results], name: str
) -> tuple[Sequence[Entry], Sequence[Outcome]]:
    """The models of one study that are repetitions of that model, or of the generation of that
    lineage that validation chose, by seed, and their outcomes."""
    root, results = study
    families = [
        [family.members[seed] for seed in sorted(family.members)]
        for family in find_families(results)
    ]
    found = [own for own in families if name in {entry.name for entry in own}]
    if not found:
        families = [own for own in families if name in {entry.lineage for entry in own}]
        found = [own for own in families if all(entry.chosen for entry in own)]
    if not families:
        raise InputError(f"{root} has no lineage {name!r} that was trained by several seeds")
    if len(found) != 1:
        models = [entry.name for own in families for entry in own if entry.lineage == name]
        raise InputError(
            f"{root}: validation did not choose the same generation of {name} for every seed: "
            f"name a model, {' or '.join(models)}"
        )
    return found[0], [entry.outcomes["test"] for entry in found[0]]


def _check_seeds(name: str, parts: Sequence[Sequence[Entry]]) -> None:
    """InputError if the models of two studies have the same seed, or differ in more than that."""
    for models in zip(*parts, strict=False):
        kinds = {
            digest_of([model.spec, *_how_made(model), without_seed(model.recipe)])
            for model in models
        }
        if len(kinds) > 1:
            raise InputError(f"{name}: the studies differ in more than recipe.seed")
        if len({model.seed for model in models}) < len(models):
            raise InputError(f"{name}: two studies have the same recipe.seed")


def _how_made(model: Entry) -> list[object]:
    """The steps of a compressed model; of any other its widths, and whether it started from a
    weights file, which each study may have trained by its own seed."""
    own = model.packing
    return [own.how] if own else [list(model.widths), model.start is not None]


def find_entry(results: Results, name: str) -> Entry | None:
    """The model, cascade or ensemble of that name, or the generation that validation chose of the
    lineage; None if there is none."""
    for entry in results.everything:
        is_chosen = entry.chosen or entry.packing is not None
        if entry.name == name or (entry.lineage == name and is_chosen):
            return entry
    return None


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
