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
    trainings: Sequence[tuple[NDArray[np.bool_], Sequence[str] | NDArray[np.str_]]],
    *,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> Estimate:
    """The share of correct clips of several trainings, each with its clips and their units; the
    95 % bootstrap resamples trainings and units together.

    Trainings with the same units share their draw; InputError if two share only some of them. As
    with `pooled_difference`, the interval is rather too narrow for a few trainings. If all units
    of all trainings agree, it is Wilson's over the units.
    """
    if not trainings:
        raise InputError("no trainings: nothing to pool")
    if len(trainings) == 1:
        return accuracy(*trainings[0], seed=seed, resamples=resamples)
    summed = [
        sum_by_unit(correct_N.astype(np.float64), units_N) for correct_N, units_N in trainings
    ]
    groups = _group_by_units([np.unique(np.asarray(units_N)) for _, units_N in trainings])
    units = sum(len(summed[members[0]][0]) for members in groups)
    clips = sum(int(sizes_U.sum()) for _, sizes_U in summed)
    value = float(sum(sums_U.sum() for sums_U, _ in summed) / clips)
    if np.ptp(np.concatenate([sums_U / sizes_U for sums_U, sizes_U in summed])) == 0:
        return Estimate(value, *wilson(value * units, units), clips, units)
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn = []
    for members in groups:
        columns = [column for member in members for column in summed[member]]
        drawn.append(_draw_units(np.stack(columns, axis=1), generator, resamples))
    shares = np.full(len(trainings), 1 / len(trainings))
    times_RM = generator.multinomial(len(trainings), shares, size=resamples)
    right_R, all_R = np.zeros(resamples), np.zeros(resamples)
    for members, totals in zip(groups, drawn, strict=True):
        right_R += (totals[:, ::2] * times_RM[:, members]).sum(axis=1)
        all_R += (totals[:, 1::2] * times_RM[:, members]).sum(axis=1)
    low, high = _percentiles(right_R / all_R)
    return Estimate(value, min(low, value), max(high, value), clips, units)


def _group_by_units(units: Sequence[NDArray[np.str_]]) -> list[list[int]]:
    """The trainings with the same units, by the first of them."""
    groups: dict[bytes, list[int]] = {}
    for training, own in enumerate(units):
        groups.setdefault("\n".join(own.tolist()).encode(), []).append(training)
    first = [units[members[0]] for members in groups.values()]
    if len(np.unique(np.concatenate(first))) < sum(len(own) for own in first):
        raise InputError("two trainings share some of their units: they must share all or none")
    return list(groups.values())


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
    """Percentile interval of sum(sums) / sum(sizes) when units are drawn with replacement."""
    return _bootstrap_trainings(sums_U[:, None], sizes_U, seed=seed, resamples=resamples)


def _bootstrap_trainings(
    sums_UM: NDArray[np.float64], sizes_U: NDArray[np.int64], *, seed: int, resamples: int
) -> tuple[float, float]:
    """Percentile interval of the mean over M trainings; they and the units are resampled."""
    units = np.concatenate([sums_UM, sizes_U[:, None].astype(np.float64)], axis=1)
    generator = np.random.Generator(np.random.PCG64(seed))
    totals = _draw_units(units, generator, resamples)
    trainings = sums_UM.shape[1]
    sums_R = totals[:, 0]
    if trainings > 1:
        shares = np.full(trainings, 1 / trainings)
        weights_RM = generator.multinomial(trainings, shares, size=resamples) / trainings
        sums_R = (totals[:, :-1] * weights_RM).sum(axis=1)
    return _percentiles(sums_R / totals[:, -1])


def _draw_units(
    values_UX: NDArray[np.float64], generator: np.random.Generator, resamples: int
) -> NDArray[np.float64]:
    """The sums [R, X] of as many units as there are, drawn with replacement.

    Units of equal values are interchangeable, so that is one multinomial draw over the few
    distinct kinds: the same distribution with much less work.
    """
    kinds, counts_S = np.unique(values_UX, axis=0, return_counts=True)
    drawn_RS = generator.multinomial(len(values_UX), counts_S / len(values_UX), size=resamples)
    return np.asarray(drawn_RS @ kinds)


def _percentiles(values_R: NDArray[np.float64]) -> tuple[float, float]:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values_R, [tail, 1 - tail])
    return float(low), float(high)
