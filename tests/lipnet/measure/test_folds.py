"""Differences over folds against independent computations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lipnet.errors import InputError
from lipnet.measure.accuracy import paired_difference
from lipnet.measure.folds import Fold, folded_difference

RESAMPLES = 500


def make_fold(number: int, first: float, second: float, units: int = 20, size: int = 3) -> Fold:
    """A fold in which the models have those shares of clips right."""
    generator = np.random.default_rng(number)
    names_N = np.repeat([f"{number}/{unit}" for unit in range(units)], size)
    draws_N = generator.random(len(names_N))
    return Fold(draws_N < first, draws_N < second, names_N)


def change_of(fold: Fold) -> np.ndarray:
    return fold.second_N.astype(float) - fold.first_N.astype(float)


def draw_one_by_one(folds: list[Fold], resamples: int) -> np.ndarray:
    """Draw folds, and units within each, one by one: slow and obvious."""
    generator = np.random.default_rng(3)
    found = []
    for _ in range(resamples):
        drawn: list[float] = []
        for number in generator.integers(len(folds), size=len(folds)):
            fold = folds[number]
            names = np.unique(fold.units_N)
            for name in generator.choice(names, size=len(names)):
                drawn += change_of(fold)[fold.units_N == name].tolist()
        found.append(np.mean(drawn))
    return np.array(found)


def test_the_interval_resamples_folds_and_units() -> None:
    folds = [make_fold(0, 0.6, 0.7), make_fold(1, 0.5, 0.75, units=12), make_fold(2, 0.6, 0.62)]
    found = folded_difference(folds).pooled
    expected = np.quantile(draw_one_by_one(folds, 1500), [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx(expected, abs=0.015)
    within = paired_difference(*(np.concatenate(x) for x in zip(*map(arrays, folds), strict=True)))
    assert found.high - found.low > within.high - within.low  # folds add to the uncertainty


def arrays(fold: Fold) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return fold.first_N, fold.second_N, fold.units_N


@pytest.mark.slow
@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(2, 9), st.integers(1, 3)),
        min_size=1,
        max_size=4,
    )
)
def test_the_value_is_the_mean_over_all_clips(drawn: list[tuple[float, float, int, int]]) -> None:
    folds = [make_fold(number, *one) for number, one in enumerate(drawn)]
    found = folded_difference(folds, resamples=RESAMPLES)
    changes_N = np.concatenate([change_of(fold) for fold in folds])
    assert found.pooled.value == pytest.approx(changes_N.mean())
    assert found.pooled.low <= found.pooled.value <= found.pooled.high
    assert found.pooled.clips == len(changes_N)
    assert folded_difference(folds[::-1], resamples=RESAMPLES).pooled.value == pytest.approx(
        found.pooled.value
    )
    if len(folds) == 1:
        alone = paired_difference(*arrays(folds[0]), resamples=RESAMPLES)
        assert (found.pooled, found.student) == (alone, None)
    else:
        values = [fold.value for fold in found.by_fold]
        error = np.std(values, ddof=1) / len(values) ** 0.5
        edge = stats.t.ppf(0.975, len(values) - 1) * error
        assert found.student == pytest.approx((np.mean(values) - edge, np.mean(values) + edge))


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [
        ([(0.4, 0.8)] * 3, "better"),
        ([(0.8, 0.4)] * 3, "worse"),
        ([(0.4, 0.8)] * 2, ""),
        ([(0.4, 0.9), (0.4, 0.9), (0.6, 0.55)], "not shown"),
        ([(0.5, 0.5)] * 3, "not shown"),
    ],
)
def test_only_three_folds_that_agree_give_a_verdict(
    shares: list[tuple[float, float]], verdict: str
) -> None:
    folds = [make_fold(number, *share) for number, share in enumerate(shares)]
    assert folded_difference(folds, resamples=RESAMPLES).verdict == verdict


def test_a_unit_in_two_folds_is_refused() -> None:
    fold = make_fold(0, 0.4, 0.8)
    with pytest.raises(InputError, match="0/0 is a test unit of fold 2 and of an earlier one"):
        folded_difference([fold, fold])
    with pytest.raises(InputError, match="no folds"):
        folded_difference([])
