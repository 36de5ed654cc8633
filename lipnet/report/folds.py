"""Two models compared over the folds of one corpus: each fold is a study of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table

from lipnet.errors import InputError
from lipnet.measure.folds import Fold, FoldedDifference, folded_difference
from lipnet.report.results import Entry, Results, read_results
from lipnet.report.study import Study


@dataclass(frozen=True)
class FoldedPair:
    """`second` less `first`; `models` are the two models of each fold."""

    first: str
    second: str
    split: str
    difference: FoldedDifference
    models: tuple[tuple[str, str], ...]
    top1: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class FoldedStudy:
    """The results of each fold, with its folder."""

    results: Sequence[tuple[Path, Results]]

    def find(self, name: str) -> list[Entry]:
        """In each fold the model or ensemble of that name, or of a lineage's name its best
        generation on validation. InputError for a name that a fold lacks."""
        return [_find(results, name, folder) for folder, results in self.results]


def read_folds(studies: Sequence[Path]) -> FoldedStudy:
    """Read one study per fold; InputError if their labels differ."""
    all_results = [read_results(Study(folder)) for folder in studies]
    for folder, results in zip(studies[1:], all_results[1:], strict=True):
        if results.labels != all_results[0].labels:
            raise InputError(
                f"{folder} has other labels than {studies[0]}: not folds of one corpus"
            )
    return FoldedStudy(list(zip(studies, all_results, strict=True)))


def compare_folds(
    study: FoldedStudy,
    pairs: Sequence[tuple[str, str]],
    *,
    split: str = "test",
    slot: str = "",
) -> list[FoldedPair]:
    """Each pair of `FoldedStudy.find`'s names over all folds; with `slot`, on its clips alone.

    InputError for names or predictions that a fold lacks, or units in two folds.
    """
    return [_compare(study, pair, split, slot) for pair in pairs]


def _compare(study: FoldedStudy, pair: tuple[str, str], split: str, slot: str) -> FoldedPair:
    folds, models, top1 = [], [], []
    for (folder, _), first, second in zip(study.results, *map(study.find, pair), strict=True):
        fold = _fold_of(first, second, split, slot, folder)
        folds.append(fold)
        models.append((first.name, second.name))
        top1.append((float(fold.first_N.mean()), float(fold.second_N.mean())))
    return FoldedPair(*pair, split, folded_difference(folds), tuple(models), tuple(top1))


def _find(results: Results, name: str, folder: Path) -> Entry:
    for entry in results.everything:
        is_best = entry.chosen or entry.packing is not None
        if entry.name == name or (is_best and entry.lineage == name):
            return entry
    known = ", ".join(entry.name for entry in results.everything)
    raise InputError(f"{folder} has no model or lineage {name}; models: {known}")


def _fold_of(first: Entry, second: Entry, split: str, slot: str, folder: Path) -> Fold:
    for entry in (first, second):
        if split not in entry.outcomes:
            raise InputError(f"{folder} has no predictions of {entry.name} on {split}")
    one, other = first.outcomes[split], second.outcomes[split]
    for name in ("labels_N", "units_N", "slots_N"):
        if not np.array_equal(getattr(one, name), getattr(other, name)):
            raise InputError(
                f"{folder}: {first.name} and {second.name} predicted different {split} clips: "
                "run `dvc repro`"
            )
    kept_N = one.slots_N == slot if slot else np.ones(len(one.correct_N), np.bool_)
    if not kept_N.any():
        known = ", ".join(sorted(set(one.slots_N.tolist()) - {""})) or "none"
        raise InputError(f"{folder} has no clips of slot {slot}; slots: {known}")
    return Fold(one.correct_N[kept_N], other.correct_N[kept_N], one.units_N[kept_N])


def folds_table(pairs: Sequence[FoldedPair]) -> Table:
    """The pairs, differences in points of top-1 accuracy."""
    folds, first = len(pairs[0].difference.by_fold), pairs[0].difference.pooled
    table = Table(
        title=f"{pairs[0].split}: {first.clips:,} clips, {first.units:,} units, {folds} "
        f"fold{'s' if folds > 1 else ''}",
        box=box.SIMPLE_HEAD,
        title_justify="left",
    )
    table.add_column("second less first", overflow="fold")
    for column in ("top-1", "difference [95 %]", "by fold", "t [95 %]"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    for pair in pairs:
        table.add_row(*_cells(pair))
    return table


def _cells(pair: FoldedPair) -> tuple[str, ...]:
    found = pair.difference
    clips = [fold.clips for fold in found.by_fold]
    first, second = np.average(np.array(pair.top1), axis=0, weights=clips)
    by_fold = " ".join(f"{100 * fold.value:+.1f}" for fold in found.by_fold)
    student = ", ".join(f"{100 * end:+.1f}" for end in found.student or ())
    return (
        f"{pair.second} less {pair.first}",
        f"{100 * second:.1f} / {100 * first:.1f}",
        f"{100 * found.pooled.value:+.1f} [{100 * found.pooled.low:+.1f}, "
        f"{100 * found.pooled.high:+.1f}]",
        by_fold,
        student,
        found.verdict,
    )
