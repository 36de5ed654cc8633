"""Top-k, intervals and paired differences against independent computations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lipnet.errors import InputError
from lipnet.measure.accuracy import (
    accuracy,
    paired_difference,
    pooled_accuracy,
    pooled_difference,
    topk,
    wilson,
)


def test_topk_against_sorting() -> None:
    generator = np.random.default_rng(0)
    scores_NK = generator.normal(size=(200, 11))
    labels_N = generator.integers(0, 11, size=200)
    for k in (1, 3, 5, 11):
        best_Nk = np.argsort(-scores_NK, axis=1, kind="stable")[:, :k]
        expected_N = (best_Nk == labels_N[:, None]).any(axis=1)
        np.testing.assert_array_equal(topk(scores_NK, labels_N, k), expected_N)


def test_topk_of_equal_scores_takes_the_first_class_as_argmax_does() -> None:
    scores_NK = np.zeros((3, 4))
    np.testing.assert_array_equal(topk(scores_NK, np.array([0, 1, 2]), 2), [True, True, False])


@given(
    st.integers(0, 3), st.integers(0, 3), st.sampled_from([np.nan, np.inf, -np.inf]),
    st.integers(1, 5),
)  # fmt: skip
def test_topk_of_scores_that_are_not_finite_is_refused(
    clip: int, label: int, value: float, k: int
) -> None:
    scores_NK = np.zeros((4, 4))
    scores_NK[clip, label] = value
    with pytest.raises(InputError, match=f"the scores of clip {clip} are not finite"):
        topk(scores_NK, np.zeros(4, np.int64), k)


def test_topk_with_fewer_classes_than_k_is_always_right() -> None:
    assert topk(np.zeros((2, 3)), np.array([2, 1]), 5).all()


@pytest.mark.parametrize(("right", "clips"), [(0, 10), (7, 10), (10, 10), (123, 240)])
def test_wilson_against_scipy(right: int, clips: int) -> None:
    expected = stats.binomtest(right, clips).proportion_ci(0.95, method="wilson")
    assert wilson(right, clips) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_clips_that_are_their_own_units_get_wilson() -> None:
    correct_N = np.arange(60) < 45
    found = accuracy(correct_N, [f"c{clip}" for clip in range(60)])
    assert (found.low, found.high) == wilson(45, 60)
    assert (found.value, found.clips, found.units) == (0.75, 60, 60)


def _brute_force(values_N: np.ndarray, units_N: np.ndarray, resamples: int) -> np.ndarray:
    """Draws whole units one by one, clip by clip: slow and obvious."""
    generator = np.random.default_rng(7)
    members = [np.flatnonzero(units_N == unit) for unit in np.unique(units_N)]
    means = []
    for _ in range(resamples):
        drawn = [members[index] for index in generator.integers(0, len(members), len(members))]
        means.append(values_N[np.concatenate(drawn)].mean())
    return np.quantile(means, [0.025, 0.975])


def test_bootstrap_over_units_against_brute_force_with_unequal_units() -> None:
    generator = np.random.default_rng(1)
    units_N = np.repeat(np.arange(50), generator.integers(1, 7, size=50)).astype(str)
    easy_U = generator.uniform(0.2, 1, size=50)
    correct_N = generator.uniform(size=len(units_N)) < easy_U[units_N.astype(int)]
    found = accuracy(correct_N, units_N)
    expected = _brute_force(correct_N.astype(float), units_N, 4000)
    assert (found.low, found.high) == pytest.approx(expected, abs=0.012)
    assert found.units == 50


def test_six_equal_words_per_sentence_widen_the_interval_by_root_six() -> None:
    right_U = np.arange(100) % 4 != 0
    clips = accuracy(np.repeat(right_U, 6), [str(clip) for clip in range(600)])
    units = accuracy(np.repeat(right_U, 6), [str(clip // 6) for clip in range(600)])
    assert (units.high - units.low) / (clips.high - clips.low) == pytest.approx(6**0.5, rel=0.05)


def test_units_that_all_agree_get_wilson_over_units_not_a_width_of_zero() -> None:
    found = accuracy(np.ones(60, dtype=bool), [str(clip // 6) for clip in range(60)])
    assert (found.low, found.high) == wilson(10, 10)


def test_paired_difference_against_brute_force() -> None:
    generator = np.random.default_rng(2)
    units_N = np.array([str(clip // 3) for clip in range(150)])
    first_N = generator.uniform(size=150) < 0.6
    second_N = first_N | (generator.uniform(size=150) < 0.2)
    found = paired_difference(first_N, second_N, units_N)
    change_N = second_N.astype(float) - first_N.astype(float)
    assert found.value == pytest.approx(change_N.mean())
    assert (found.low, found.high) == pytest.approx(_brute_force(change_N, units_N, 4000), abs=0.01)


def test_paired_difference_changes_sign_with_the_order() -> None:
    generator = np.random.default_rng(3)
    first_N, second_N = generator.uniform(size=(2, 200)) < 0.5
    units_N = [str(clip) for clip in range(200)]
    one = paired_difference(first_N, second_N, units_N)
    other = paired_difference(second_N, first_N, units_N)
    assert one.value == -other.value
    assert one.low == pytest.approx(-other.high, abs=0.01)


def test_paired_models_that_agree_on_few_clips_still_have_an_interval() -> None:
    correct_N = np.ones(10, dtype=bool)
    found = paired_difference(correct_N, correct_N, [str(clip) for clip in range(10)])
    assert found.value == 0
    assert (found.low, found.high) == (-wilson(0, 10)[1], wilson(0, 10)[1])


def _trainings(trainings: int, spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What two models got right in several trainings, whose gains are far apart, and the units."""
    generator = np.random.default_rng(5)
    units_N = np.repeat(np.arange(40), generator.integers(1, 7, size=40)).astype(str)
    rate_M1 = 0.6 + spread * generator.normal(size=(trainings, 1))
    first_MN = generator.uniform(size=(trainings, len(units_N))) < 0.5
    second_MN = generator.uniform(size=(trainings, len(units_N))) < rate_M1
    return first_MN, second_MN, units_N


def test_pooled_difference_against_brute_force_over_trainings_and_units() -> None:
    first_MN, second_MN, units_N = _trainings(4, 0.1)
    found = pooled_difference(first_MN, second_MN, units_N)
    change_MN = second_MN.astype(float) - first_MN.astype(float)
    assert found.value == pytest.approx(change_MN.mean())
    generator = np.random.default_rng(8)
    members = [np.flatnonzero(units_N == unit) for unit in np.unique(units_N)]
    means = []
    for _ in range(4000):
        drawn = [members[index] for index in generator.integers(0, len(members), len(members))]
        seeds = generator.integers(0, len(change_MN), len(change_MN))
        means.append(change_MN[np.ix_(seeds, np.concatenate(drawn))].mean())
    expected = np.quantile(means, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx(expected, abs=0.012)


def test_pooled_difference_is_wider_than_units_alone_if_trainings_differ() -> None:
    first_MN, second_MN, units_N = _trainings(3, 0.1)
    pooled = pooled_difference(first_MN, second_MN, units_N)
    units = paired_difference(first_MN.mean(axis=0), second_MN.mean(axis=0), units_N)
    assert pooled.value == pytest.approx(units.value)
    assert pooled.high - pooled.low > 1.2 * (units.high - units.low)


def test_pooled_difference_of_equal_trainings_is_that_of_one() -> None:
    first_MN, second_MN, units_N = _trainings(1, 0.0)
    one = paired_difference(first_MN[0], second_MN[0], units_N)
    same = pooled_difference(
        *(np.repeat(rows, 3, axis=0) for rows in (first_MN, second_MN)), units_N
    )
    assert (same.value, same.low, same.high) == pytest.approx((one.value, one.low, one.high))


def test_pooled_models_that_agree_everywhere_still_have_an_interval() -> None:
    correct_MN = np.ones((3, 10), dtype=bool)
    found = pooled_difference(correct_MN, correct_MN, [str(clip) for clip in range(10)])
    assert (found.low, found.high) == (-wilson(0, 10)[1], wilson(0, 10)[1])


@pytest.mark.parametrize("shared", [True, False], ids=["the same units", "units of their own"])
def test_pooled_accuracy_against_brute_force_over_trainings_and_units(shared: bool) -> None:
    generator = np.random.default_rng(7)
    found = [generator.random(40) < chance for chance in (0.5, 0.7, 0.9)]
    names = [[f"{0 if shared else m}/{n}" for n in range(40)] for m in range(3)]
    estimate = pooled_accuracy(list(zip(found, names, strict=True)))
    assert estimate.value == np.mean(found)
    assert (estimate.clips, estimate.units) == (120, 40 if shared else 120)
    means = []
    for _ in range(4000):
        units_MN = generator.integers(40, size=(1 if shared else 3, 40))
        drawn = generator.integers(3, size=3)
        means.append(np.mean([found[m][units_MN[0 if shared else m]] for m in drawn]))
    assert [estimate.low, estimate.high] == pytest.approx(
        np.quantile(means, [0.025, 0.975]), abs=0.01
    )


def test_pooled_accuracy_of_equal_trainings_is_that_of_one() -> None:
    right, units = np.arange(60) % 3 > 0, [f"{n // 2}" for n in range(60)]
    one = accuracy(right, units)
    assert pooled_accuracy([(right, units)]) == one
    two = pooled_accuracy([(right, units)] * 2)
    assert (two.value, two.clips, two.units) == (one.value, 120, 30)
    assert [two.low, two.high] == pytest.approx([one.low, one.high], abs=0.005)


def test_pooled_units_that_all_agree_get_wilson() -> None:
    units = [f"{n // 2}" for n in range(20)]
    for right, whole in ((np.ones(20, np.bool_), 10), (np.arange(20) % 2 > 0, 5)):
        estimate = pooled_accuracy([(right, units)] * 3)
        assert (estimate.low, estimate.high) == wilson(whole, 10)


def test_trainings_that_share_some_units_are_refused() -> None:
    right = np.arange(4) % 2 > 0
    with pytest.raises(InputError, match="they must share all or none"):
        pooled_accuracy([(right, list("abcd")), (right, list("cdef"))])
    with pytest.raises(InputError, match="no trainings"):
        pooled_accuracy([])


def test_equal_seeds_give_equal_intervals() -> None:
    correct_N = np.arange(90) % 4 > 0
    units_N = [str(clip // 3) for clip in range(90)]
    assert accuracy(correct_N, units_N) == accuracy(correct_N, units_N)


def test_a_split_of_corpus_size_takes_no_time_and_no_memory() -> None:
    correct_N = np.random.default_rng(4).uniform(size=150_000) < 0.8
    found = accuracy(correct_N, np.arange(150_000) // 6)
    assert found.high - found.low < 0.01


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="at least one clip"):
        accuracy(np.zeros(0, dtype=bool), [])
    with pytest.raises(InputError, match="3 clips but 2 units"):
        accuracy(np.zeros(3, dtype=bool), ["a", "b"])
    with pytest.raises(InputError, match="not the same clips"):
        paired_difference(np.zeros(3, dtype=bool), np.zeros(2, dtype=bool), ["a", "b", "c"])
    with pytest.raises(InputError, match="do not match labels"):
        topk(np.zeros((3, 2)), np.zeros(2, dtype=np.int64), 1)
    with pytest.raises(InputError, match="not the same clips"):
        pooled_difference(np.zeros((2, 3), bool), np.zeros((1, 3), bool), ["a", "b", "c"])
