"""The distillation loss against hand-computed cases and its properties."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from lipnet.distill.loss import (
    correlation_loss,
    cross_entropy_mixed,
    decoupled_loss,
    distillation_loss,
    standardise,
)

logits = st.lists(st.lists(st.floats(-20, 20), min_size=4, max_size=4), min_size=3, max_size=3).map(
    lambda rows: torch.tensor(rows, dtype=torch.float64)
)


def test_distillation_loss_of_a_hand_computed_two_by_three_case() -> None:
    teacher_BK = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.8, 0.1, 0.1]], dtype=torch.float64))
    student_BK = torch.log(torch.tensor([[0.25, 0.5, 0.25], [0.8, 0.1, 0.1]], dtype=torch.float64))
    by_hand = (0.5 * math.log(0.5 / 0.25) + 0.25 * math.log(0.25 / 0.5) + 0.0) / 2
    assert float(distillation_loss(student_BK, teacher_BK)) == pytest.approx(by_hand, abs=1e-12)


def test_temperature_is_undone_by_its_square_for_soft_targets() -> None:
    generator = torch.Generator().manual_seed(1)
    teacher_BK, student_BK = torch.randn((2, 4, 5), generator=generator, dtype=torch.float64)
    hot = float(distillation_loss(student_BK, teacher_BK, temperature=1e4))
    centred = (teacher_BK - teacher_BK.mean(1, True)) - (student_BK - student_BK.mean(1, True))
    assert hot == pytest.approx(float(centred.square().mean(1).mean() / 2), rel=1e-3)


@given(
    st.lists(st.floats(-20, 20), min_size=3, max_size=3),
    st.lists(st.floats(-20, 20), min_size=3, max_size=3),
    st.floats(0.5, 8),
)
def test_distillation_loss_is_never_negative_and_zero_on_itself(
    student: list[float], teacher: list[float], temperature: float
) -> None:
    student_BK = torch.tensor([student], dtype=torch.float64)
    teacher_BK = torch.tensor([teacher], dtype=torch.float64)
    assert float(distillation_loss(student_BK, teacher_BK, temperature=temperature)) >= -1e-9
    own = float(distillation_loss(student_BK, student_BK, temperature=temperature))
    assert own == pytest.approx(0, abs=1e-12)


def test_mixed_cross_entropy_equals_the_loss_towards_mixed_targets() -> None:
    generator = torch.Generator().manual_seed(2)
    logits_BK = torch.randn((4, 6), generator=generator, dtype=torch.float64)
    labels_B, partners_B = torch.tensor([0, 1, 2, 5]), torch.tensor([3, 1, 0, 4])
    soft_BK = torch.zeros_like(logits_BK)
    rows = torch.arange(4)
    soft_BK[rows, labels_B] += 0.3
    soft_BK[rows, partners_B] += 0.7
    expected = -(soft_BK * logits_BK.log_softmax(1)).sum(1).mean()
    loss = cross_entropy_mixed(logits_BK, labels_B, partners_B, share=0.3)
    assert float(loss) == pytest.approx(float(expected), abs=1e-12)


@given(logits, logits, st.lists(st.integers(0, 3), min_size=3, max_size=3), st.floats(0.5, 8))
def test_the_decoupled_loss_is_a_divergence_of_label_and_others(
    student_BK: torch.Tensor, teacher_BK: torch.Tensor, labels: list[int], temperature: float
) -> None:
    own, known = (x_BK.div(temperature).softmax(1).numpy() for x_BK in (student_BK, teacher_BK))
    label_terms, other_terms, divergences = [], [], []
    for p, q, label in zip(own, known, labels, strict=True):
        p_two, q_two = (np.array([x[label], np.delete(x, label).sum()]) for x in (p, q))
        p_rest, q_rest = (np.delete(x, label) / np.delete(x, label).sum() for x in (p, q))
        label_terms.append(float((q_two * np.log(q_two / p_two)).sum()))
        other_terms.append(float((q_rest * np.log(q_rest / p_rest)).sum()))
        divergences.append(label_terms[-1] + q_two[1] * other_terms[-1])
    scale = temperature**2
    found = decoupled_loss(
        student_BK, teacher_BK, torch.tensor(labels), beta=8.0, temperature=temperature
    )
    expected = float(np.mean(np.add(label_terms, np.multiply(8.0, other_terms))))
    assert float(found) == pytest.approx(expected * scale, rel=1e-6, abs=1e-6)
    # Weighted by the teacher's probability of the others, the two are the whole divergence.
    plain = distillation_loss(student_BK, teacher_BK, temperature=temperature)
    assert float(plain) == pytest.approx(float(np.mean(divergences)) * scale, rel=1e-6, abs=1e-6)


@pytest.mark.slow
@given(logits, logits, st.floats(0.5, 8))
def test_the_correlation_loss_is_numpys_over_clips_and_over_labels(
    student_BK: torch.Tensor, teacher_BK: torch.Tensor, temperature: float
) -> None:
    own, known = (x_BK.div(temperature).softmax(1).numpy() for x_BK in (student_BK, teacher_BK))
    rows = [*zip(own, known, strict=True)]
    columns = [*zip(own.T, known.T, strict=True)]
    assume(min(x.std() for pair in (*rows, *columns) for x in pair) > 1e-3)
    means = [np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs]) for pairs in (rows, columns)]
    found = float(correlation_loss(student_BK, teacher_BK, temperature=temperature))
    assert found == pytest.approx((2 - sum(means)) * temperature**2, abs=1e-5)


@given(logits, st.floats(0.1, 10), st.floats(-5, 5))
def test_standardised_logits_do_not_depend_on_scale_and_shift(
    logits_BK: torch.Tensor, scale: float, shift: float
) -> None:
    assume(float(logits_BK.std(1).min()) > 0.1)
    found_BK = standardise(logits_BK)
    torch.testing.assert_close(found_BK.mean(1), torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(
        found_BK.std(1), torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-4
    )
    again_BK = standardise(logits_BK * scale + shift)
    torch.testing.assert_close(again_BK, found_BK, rtol=0, atol=1e-3)


def test_every_loss_is_smallest_at_the_teacher_and_has_finite_gradients() -> None:
    teacher_BK = torch.tensor([[9.0, -1e4, 0.0, 3.0], [0.0, 1.0, -1e4, -5.0]], dtype=torch.float64)
    labels_B = torch.tensor([1, 0])
    losses = (
        lambda own_BK: distillation_loss(own_BK, teacher_BK),
        lambda own_BK: decoupled_loss(own_BK, teacher_BK, labels_B, beta=8.0),
        lambda own_BK: correlation_loss(own_BK, teacher_BK),
        lambda own_BK: distillation_loss(standardise(own_BK), standardise(teacher_BK)),
    )
    for loss in losses:
        assert float(loss(teacher_BK)) == pytest.approx(0.0, abs=1e-9)
        other_BK = torch.zeros_like(teacher_BK).add_(torch.arange(4)).requires_grad_()
        value = loss(other_BK)
        assert float(value.detach()) > 1e-3
        (gradient_BK,) = torch.autograd.grad(value, other_BK)
        assert gradient_BK.isfinite().all()


def test_a_teacher_that_is_very_sure_gives_finite_gradients() -> None:
    teacher_BK = torch.tensor([[25.0, 0.0, -1.0]])
    own_BK = torch.tensor([[1.0, 0.5, 0.0]], requires_grad=True)
    labels_B = torch.tensor([0])
    loss = decoupled_loss(own_BK, teacher_BK, labels_B, beta=8.0, temperature=0.25)
    (gradient_BK,) = torch.autograd.grad(loss, own_BK)
    assert gradient_BK.isfinite().all()
