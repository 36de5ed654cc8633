"""What folds show together: one model's gain over another on the pooled test clips of K trainings,
each on its own fold, with intervals over folds and units."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from lipnet.errors import InputError
from lipnet.measure.accuracy import LEVEL, RESAMPLES, SEED, Estimate, paired_difference, sum_by_unit

# N clips  U units  F folds  R resamples
MIN_FOLDS = 3  # with fewer, nothing is called better
TAIL = (1 - LEVEL) / 2


@dataclass(frozen=True, eq=False)
class Fold:
    """Which test clips of one fold each of two models has right, and the unit of each clip."""

    first_N: NDArray[np.bool_]
    second_N: NDArray[np.bool_]
    units_N: NDArray[np.str_]


@dataclass(frozen=True)
class FoldedDifference:
    """The second's accuracy less the first's over all folds' clips.

    `pooled` has the bootstrap interval over folds and the units in them together; `by_fold` each
    fold's own difference over its units; `student` is Student's t interval of the mean of the
    folds' differences, None for one fold.
    """

    pooled: Estimate
    by_fold: tuple[Estimate, ...]
    student: tuple[float, float] | None

    @property
    def verdict(self) -> str:
        """One of better, worse (the interval excludes zero, and the folds agree in sign) and not
        shown; empty for fewer than three folds."""
        if len(self.by_fold) < MIN_FOLDS:
            return ""
        values = [fold.value for fold in self.by_fold]
        if self.pooled.low > 0 and min(values) > 0:
            return "better"
        if self.pooled.high < 0 and max(values) < 0:
            return "worse"
        return "not shown"


def folded_difference(
    folds: Sequence[Fold], *, seed: int = SEED, resamples: int = RESAMPLES
) -> FoldedDifference:
    """The difference over folds whose units are disjoint; InputError if a unit is in two folds.

    With one fold the interval is that of its units alone: nothing shows what another training
    would change.
    """
    if not folds:
        raise InputError("no folds: nothing to compare")
    _check_disjoint(folds)
    by_fold = tuple(
        paired_difference(fold.first_N, fold.second_N, fold.units_N, seed=seed, resamples=resamples)
        for fold in folds
    )
    if len(folds) == 1:
        return FoldedDifference(by_fold[0], by_fold, None)
    clips, units = (sum(getattr(fold, name) for fold in by_fold) for name in ("clips", "units"))
    value = sum(fold.value * fold.clips for fold in by_fold) / clips
    low, high = _resample(folds, seed=seed, resamples=resamples)
    pooled = Estimate(value, min(low, value), max(high, value), clips, units)
    return FoldedDifference(pooled, by_fold, _student([fold.value for fold in by_fold]))


def _check_disjoint(folds: Sequence[Fold]) -> None:
    seen: set[str] = set()
    for number, fold in enumerate(folds, 1):
        own = set(fold.units_N.tolist())
        if twice := sorted(own & seen):
            raise InputError(
                f"{twice[0]} is a test unit of fold {number} and of an earlier one: the folds of "
                "one corpus share no unit"
            )
        seen |= own


def _resample(folds: Sequence[Fold], *, seed: int, resamples: int) -> tuple[float, float]:
    """Percentile interval: folds are drawn with replacement, then units within each drawn fold."""
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn_RF = generator.integers(len(folds), size=(resamples, len(folds)))
    sums_R, sizes_R = np.zeros(resamples), np.zeros(resamples)
    for number, fold in enumerate(folds):
        change_N = fold.second_N.astype(np.float64) - fold.first_N.astype(np.float64)
        sums_U, sizes_U = sum_by_unit(change_N, fold.units_N)
        kinds, counts = np.unique(np.stack([sums_U, sizes_U], axis=1), axis=0, return_counts=True)
        shares = counts / counts.sum()
        for slot_R in (drawn_RF == number).T:  # each draw of this fold has units of its own
            times = int(slot_R.sum())
            totals = generator.multinomial(len(sums_U), shares, size=times) @ kinds
            sums_R[slot_R] += totals[:, 0]
            sizes_R[slot_R] += totals[:, 1]
    low, high = np.quantile(sums_R / sizes_R, [TAIL, 1 - TAIL])
    return float(low), float(high)


def _student(values: Sequence[float]) -> tuple[float, float]:
    """Student's t interval of the mean of a few values."""
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))
    width = float(stdtrit(len(values) - 1, 1 - TAIL)) * error
    return mean - width, mean + width
