"""Accuracy with its uncertainty: top-k, 95 % intervals and paired differences over units.

Independent units (GRID: sentences) are resampled, never the clips inside one. If every clip is its
own unit, the interval is Wilson's, which needs no resampling and is valid near 0 and 1; otherwise
it is the percentile bootstrap over units. If all units agree, the bootstrap would give a width of
zero, so Wilson's interval over the units is used instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipnet.errors import InputError

# N clips  K classes  U units  S distinct units  R resamples  M trainings (seeds) of one model
RESAMPLES = 10_000
SEED = 2021
LEVEL = 0.95
Z = 1.959963984540054  # the standard normal's 97.5 % point, for LEVEL


@dataclass(frozen=True)
class Estimate:
    """A fraction or a difference of fractions with its 95 % interval."""

    value: float
    low: float
    high: float
    clips: int
    units: int


def topk(
    scores_NK: NDArray[np.floating], labels_N: NDArray[np.integer], k: int
) -> NDArray[np.bool_]:
    """Whether each clip's label is among its k highest scores; of equals the first class wins."""
    if scores_NK.ndim != 2 or labels_N.shape != scores_NK.shape[:1]:
        raise InputError(f"scores {scores_NK.shape} do not match labels {labels_N.shape}")
    if k < 1:
        raise InputError(f"top-{k}: k must be 1 or more")
    finite_N = np.isfinite(scores_NK).all(axis=1)
    if not finite_N.all():  # no comparison with NaN holds, so NaN would rank first
        raise InputError(f"the scores of clip {int(np.argmin(finite_N))} are not finite")
    own_N1 = np.take_along_axis(scores_NK, labels_N[:, None], axis=1)
    earlier_NK = np.arange(scores_NK.shape[1])[None, :] < labels_N[:, None]
    ahead_NK = (scores_NK > own_N1) | ((scores_NK == own_N1) & earlier_NK)
    return np.asarray(ahead_NK.sum(axis=1) < k)


def wilson(successes: float, trials: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a proportion."""
    if trials < 1:
        raise InputError("an interval needs at least one clip; this split has none")
    share = successes / trials
    spread = Z * np.sqrt(share * (1 - share) / trials + Z**2 / (4 * trials**2))
    middle = share + Z**2 / (2 * trials)
    scale = 1 + Z**2 / trials
    low, high = (middle - spread) / scale, (middle + spread) / scale
    return (min(max(0.0, low), share), max(min(1.0, high), share))


def accuracy(
    correct_N: NDArray[np.bool_],
    units_N: Sequence[str] | NDArray[np.str_],
    *,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> Estimate:
    """The share of correct clips with its 95 % interval, Wilson's or by bootstrap over units."""
    sums_U, sizes_U = sum_by_unit(correct_N.astype(np.float64), units_N)
    value = float(sums_U.sum() / sizes_U.sum())
    clips, units = int(sizes_U.sum()), len(sizes_U)
    if clips == units or np.ptp(sums_U / sizes_U) == 0:
        low, high = wilson(value * units, units)
    else:
        low, high = _bootstrap(sums_U, sizes_U, seed=seed, resamples=resamples)
    return Estimate(value, low, high, clips, units)


def pooled_accuracy(
    trainings: Sequence[tuple[NDArray[np.bool_], Sequence[str]]],
    *,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> Estimate:
    """The share of correct clips of several trainings, each with its clips and their units; the
    95 % bootstrap resamples trainings and units together.

    A unit that several trainings have is drawn for all of them at once. As of `pooled_difference`,
    the interval of a few trainings is rather too short. If every clip is right, or none, it is
    Wilson's over the units.
    """
    if not trainings:
        raise InputError("no trainings: nothing to pool")
    correct = np.concatenate([correct_N for correct_N, _ in trainings]).astype(np.float64)
    units = [unit for _, units_N in trainings for unit in units_N]
    value, distinct = float(correct.mean()), len(set(units))
    if np.ptp(correct) == 0:
        return Estimate(value, *wilson(value * distinct, distinct), len(correct), distinct)
    generator = np.random.Generator(np.random.PCG64(seed))
    shares = np.full(len(trainings), 1 / len(trainings))
    times_RM = generator.multinomial(len(trainings), shares, size=resamples)
    drawn: dict[tuple[str, ...], NDArray[np.int64]] = {}
    right_R, all_R = np.zeros(resamples), np.zeros(resamples)
    for training, (correct_N, units_N) in enumerate(trainings):
        sums_U, sizes_U = sum_by_unit(correct_N.astype(np.float64), units_N)
        own = tuple(sorted(set(units_N)))
        if own not in drawn:
            even = np.full(len(own), 1 / len(own))
            drawn[own] = generator.multinomial(len(own), even, size=resamples)
        right_R += times_RM[:, training] * (drawn[own] @ sums_U)
        all_R += times_RM[:, training] * (drawn[own] @ sizes_U)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(right_R / all_R, [tail, 1 - tail])
    return Estimate(value, min(float(low), value), max(float(high), value), len(correct), distinct)


def paired_difference(
    first_N: NDArray[np.bool_] | NDArray[np.float64],
    second_N: NDArray[np.bool_] | NDArray[np.float64],
    units_N: Sequence[str] | NDArray[np.str_],
    *,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Accuracy of the second less that of the first on the same clips, 95 % bootstrap over units.

    Each clip is right or wrong, or right to a fraction: the share of a model's seeds. If every
    unit has the same difference, the half-width is Wilson's upper bound for 0 of U.
    """
    if first_N.shape != second_N.shape:
        raise InputError(f"{first_N.shape} and {second_N.shape}: not the same clips")
    change_N = second_N.astype(np.float64) - first_N.astype(np.float64)
    sums_U, sizes_U = sum_by_unit(change_N, units_N)
    value = float(sums_U.sum() / sizes_U.sum())
    if np.ptp(sums_U / sizes_U) == 0:
        unseen = wilson(0, len(sizes_U))[1]
        low, high = max(-1.0, value - unseen), min(1.0, value + unseen)
    else:
        low, high = _bootstrap(sums_U, sizes_U, seed=seed, resamples=resamples)
    return Estimate(value, low, high, int(sizes_U.sum()), len(sizes_U))


def pooled_difference(
    first_MN: NDArray[np.bool_],
    second_MN: NDArray[np.bool_],
    units_N: Sequence[str] | NDArray[np.str_],
    *,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Mean accuracy of the second less that of the first over M pairs of trainings, on the same
    clips; the 95 % bootstrap resamples trainings and units together.

    A few trainings are a small sample of all that a seed can change: below about ten the interval
    is rather too short. If all pairs and units differ alike, Wilson's bound for 0 of U is used.
    """
    if first_MN.shape != second_MN.shape:
        raise InputError(f"{first_MN.shape} and {second_MN.shape}: not the same clips")
    change_MN = second_MN.astype(np.float64) - first_MN.astype(np.float64)
    by_unit = [sum_by_unit(change_N, units_N) for change_N in change_MN]
    sums_UM, sizes_U = np.stack([sums_U for sums_U, _ in by_unit], axis=1), by_unit[0][1]
    value = float(sums_UM.mean(axis=1).sum() / sizes_U.sum())
    if np.ptp(sums_UM / sizes_U[:, None]) == 0:
        unseen = wilson(0, len(sizes_U))[1]
        low, high = max(-1.0, value - unseen), min(1.0, value + unseen)
    else:
        low, high = _bootstrap_trainings(sums_UM, sizes_U, seed=seed, resamples=resamples)
    return Estimate(value, low, high, int(sizes_U.sum()), len(sizes_U))


def sum_by_unit(
    values_N: NDArray[np.float64], units_N: Sequence[str] | NDArray[np.str_]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The sum of each unit's values and the number of its clips, units sorted by name."""
    if len(values_N) != len(units_N):
        raise InputError(f"{len(values_N)} clips but {len(units_N)} units")
    if len(values_N) == 0:
        raise InputError("an interval needs at least one clip; this split has none")
    _, unit_of_N, sizes_U = np.unique(np.asarray(units_N), return_inverse=True, return_counts=True)
    sums_U = np.bincount(unit_of_N.ravel(), weights=values_N).astype(np.float64)
    return sums_U, sizes_U.astype(np.int64)


def _bootstrap(
    sums_U: NDArray[np.float64], sizes_U: NDArray[np.int64], *, seed: int, resamples: int
) -> tuple[float, float]:
    """Percentile interval of sum(sums) / sum(sizes) when units are drawn with replacement.

    Units of equal (sum, size) are interchangeable, so drawing U units is one multinomial draw
    over the few distinct kinds: the same distribution with much less work.
    """
    return _bootstrap_trainings(sums_U[:, None], sizes_U, seed=seed, resamples=resamples)


def _bootstrap_trainings(
    sums_UM: NDArray[np.float64], sizes_U: NDArray[np.int64], *, seed: int, resamples: int
) -> tuple[float, float]:
    """Percentile interval of the mean over M trainings; they and the units are resampled."""
    units = np.concatenate([sums_UM, sizes_U[:, None].astype(np.float64)], axis=1)
    kinds, counts_S = np.unique(units, axis=0, return_counts=True)
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn_RS = generator.multinomial(len(sums_UM), counts_S / len(sums_UM), size=resamples)
    totals = drawn_RS @ kinds
    trainings = sums_UM.shape[1]
    sums_R = totals[:, 0]
    if trainings > 1:
        shares = np.full(trainings, 1 / trainings)
        weights_RM = generator.multinomial(trainings, shares, size=resamples) / trainings
        sums_R = (totals[:, :-1] * weights_RM).sum(axis=1)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(sums_R / totals[:, -1], [tail, 1 - tail])
    return float(low), float(high)
