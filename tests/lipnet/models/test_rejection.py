"""The threshold of rejection: 95 % of the right clips reach it, and cards keep it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.models.rejection import (
    MIN_RIGHT,
    Rejection,
    choose_rejection,
    describe_rejection,
    read_rejection,
)


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), clips=st.integers(1, 300), classes=st.integers(2, 6))
def test_19_of_20_right_clips_reach_the_threshold(seed: int, clips: int, classes: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits_NK = 2 * torch.randn(clips, classes, generator=generator)
    labels_N = torch.randint(classes, (clips,), generator=generator)
    chosen = choose_rejection(logits_NK, labels_N)
    right_N = logits_NK.argmax(1) == labels_N
    if right_N.sum() < MIN_RIGHT:
        assert chosen is None
        return
    assert chosen is not None
    best_N = logits_NK.double().softmax(1).amax(1)
    assert chosen.below in best_N[right_N].tolist()
    assert chosen.kept_right == pytest.approx(
        float((best_N[right_N] >= chosen.below).double().mean())
    )
    assert chosen.kept_right >= 0.95
    # A higher threshold would keep fewer than that.
    assert (best_N[right_N] > chosen.below).double().mean() < 0.95 + 1e-9
    assert 0 <= chosen.kept_wrong <= 1
    assert read_rejection(describe_rejection(chosen)) == chosen


def test_a_model_without_a_threshold_has_none() -> None:
    assert read_rejection(describe_rejection(None)) is None


@pytest.mark.parametrize("below", [float("nan"), 1.5, -0.1, "0.5", None])
def test_a_damaged_threshold_is_refused(below: object) -> None:
    entry = {"below": below, "kept_right": 0.95, "kept_wrong": 0.5, "clips": 9}
    with pytest.raises(ValueError, match="below"):
        read_rejection({"rejection": entry})


def test_a_probability_at_the_threshold_is_not_rejected() -> None:
    assert not Rejection(0.5, 0.95, 0.3, 40).rejects(0.5)
    assert Rejection(0.5, 0.95, 0.3, 40).rejects(0.49)
