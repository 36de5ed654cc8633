"""The distillation loss against hand-computed cases and its properties."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lipnet.distill.loss import cross_entropy_mixed, distillation_loss


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
