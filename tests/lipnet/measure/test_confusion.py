"""The confusion matrix, its look-alikes and the order that puts them next to each other."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lipnet.measure.confusion import confusion_matrix, find_lookalikes, group_lookalikes

LABELS = ["bark", "could", "million", "millions", "park"]
COUNTS_KK = np.array(
    [
        [6, 0, 0, 0, 4],
        [0, 10, 0, 0, 0],
        [0, 0, 8, 2, 0],
        [1, 0, 1, 8, 0],
        [5, 0, 0, 0, 5],
    ]
)


def test_rows_are_actual_and_columns_predicted() -> None:
    matrix_KK = confusion_matrix(np.array([0, 0, 2]), np.array([1, 1, 2]), 3)
    np.testing.assert_array_equal(matrix_KK, [[0, 2, 0], [0, 0, 0], [0, 0, 1]])


def test_pairs_count_both_directions_and_the_worst_comes_first() -> None:
    pairs = find_lookalikes(COUNTS_KK, LABELS)
    named = [(pair.first, pair.second, pair.mistaken, pair.clips) for pair in pairs]
    assert named == [("bark", "park", 9, 20), ("million", "millions", 3, 20)] + [
        ("bark", "millions", 1, 20)
    ]
    assert pairs[0].share == 0.45
    assert find_lookalikes(COUNTS_KK, LABELS, limit=1) == pairs[:1]


def test_lookalikes_are_neighbours_and_the_rest_follows() -> None:
    chains = group_lookalikes(COUNTS_KK)
    assert [sorted(chain) for chain in chains] == [[0, 2, 3, 4], [1]]
    order = chains[0]
    assert abs(order.index(0) - order.index(4)) == 1
    assert abs(order.index(2) - order.index(3)) == 1


def test_a_perfect_model_has_no_pairs_and_keeps_its_order() -> None:
    assert find_lookalikes(np.diag([3, 4, 5]), LABELS[:3]) == []
    assert group_lookalikes(np.diag([3, 4, 5])) == [[0], [1], [2]]


@given(st.lists(st.lists(st.integers(0, 5), min_size=6, max_size=6), min_size=6, max_size=6))
def test_every_label_is_in_the_order_once(rows: list[list[int]]) -> None:
    order = [label for chain in group_lookalikes(np.array(rows)) for label in chain]
    assert sorted(order) == list(range(6))
