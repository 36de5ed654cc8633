"""Ensembles against sums done by hand."""

import numpy as np
import pytest

from lipnet.errors import InputError
from lipnet.selection.ensemble import (
    choose_greedily,
    lineage_ensembles,
    mean_probabilities,
    score,
    softmax,
)

THIRDS_NK = np.log(np.array([[1.0, 2.0], [3.0, 1.0]]))  # probabilities 1/3 2/3, 3/4 1/4
FIFTHS_NK = np.log(np.array([[4.0, 1.0], [1.0, 1.0]]))  # probabilities 4/5 1/5, 1/2 1/2


def test_probabilities_are_averaged_not_logits() -> None:
    found_NK = mean_probabilities([THIRDS_NK, FIFTHS_NK])
    expected_NK = [[(1 / 3 + 4 / 5) / 2, (2 / 3 + 1 / 5) / 2], [5 / 8, 3 / 8]]
    np.testing.assert_allclose(found_NK, expected_NK, rtol=1e-6)


def test_a_large_logit_does_not_overflow() -> None:
    np.testing.assert_allclose(softmax(np.array([[1000.0, 0.0]])), [[1.0, 0.0]])


def test_score_by_hand() -> None:
    top1, nats = score(np.array([[0.25, 0.75], [0.5, 0.5]]), np.array([1, 0]))
    assert (top1, nats) == pytest.approx((1.0, -(np.log(0.75) + np.log(0.5)) / 2))


def test_every_lineage_of_several_generations_is_an_ensemble() -> None:
    found = lineage_ensembles({"b": ["b-g0"], "a": ["a-g0", "a-g1"]})
    assert [(own.name, own.rule, own.members) for own in found] == [
        ("a-all", "generations", ("a-g0", "a-g1"))
    ]


def _answer(answers: list[int], *margins: float) -> np.ndarray:
    return softmax(np.array(margins)[:, None] * np.eye(3)[answers])


def test_greedy_takes_the_best_then_what_corrects_it_and_leaves_harm_out() -> None:
    labels_N = np.array([0, 1, 2, 0, 1, 2])
    probabilities = {
        "best": _answer([0, 1, 2, 0, 1, 0], 3, 3, 3, 3, 3, 1),  # wrong on the last clip alone
        "same": _answer([0, 1, 2, 0, 0, 0], 3, 3, 3, 3, 3, 1),  # wrong there too
        "other": _answer([0, 1, 0, 1, 0, 2], 1, 1, 1, 1, 1, 4),  # right there
        "noise": _answer([1, 2, 0, 1, 2, 0], 9, 9, 9, 9, 9, 9),  # never right
    }
    chosen = choose_greedily(probabilities, labels_N)
    assert chosen[:2] == ("best", "other")
    assert "noise" not in chosen
    assert choose_greedily(probabilities, labels_N, limit=1) == ("best",)


def test_greedy_does_not_depend_on_the_order_of_the_models() -> None:
    generator = np.random.default_rng(0)
    labels_N = generator.integers(0, 3, size=50)
    right_NK = np.eye(3)[labels_N]
    probabilities = {n: softmax(generator.normal(size=(50, 3)) + right_NK) for n in "abcd"}
    backwards = dict(reversed(probabilities.items()))
    assert choose_greedily(probabilities, labels_N) == choose_greedily(backwards, labels_N)


def test_an_empty_ensemble_is_refused() -> None:
    with pytest.raises(InputError, match="at least one member"):
        mean_probabilities([])
