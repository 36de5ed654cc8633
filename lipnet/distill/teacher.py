"""Teachers: what adds a distillation term to a student's loss, or the object that adds none."""

from typing import Protocol

import torch
from torch import Tensor, nn

from lipnet.data.augment import View
from lipnet.device import mixed_precision
from lipnet.distill.loss import distillation_loss, zero_loss
from lipnet.models.fold import fold_batchnorm
from lipnet.models.infer import infer_clips

# B batch  K classes


class Teacher(Protocol):
    """Adds to a student's loss, given the very view of the clips that the student saw."""

    def loss(self, student_BK: Tensor, view: View) -> Tensor:
        """The weighted distillation term, a scalar with gradients for the student only."""
        ...


class NoTeacher:
    """Training from scratch: the distillation term is 0."""

    def loss(self, student_BK: Tensor, view: View) -> Tensor:
        return zero_loss(student_BK)


class FrozenTeacher:
    """A copy of one trained model in eval mode; it sees the student's crop, flip, length and mixup
    (a consistent teacher, Beyer et al., arXiv 2106.05237) and gets no gradient."""

    def __init__(self, model: nn.Module, *, alpha: float, temperature: float = 1.0) -> None:
        self.model = fold_batchnorm(model)
        self.alpha = alpha
        self.temperature = temperature

    def loss(self, student_BK: Tensor, view: View) -> Tensor:
        with torch.no_grad(), mixed_precision(student_BK.device):
            teacher_BK = infer_clips(self.model, view.frames_BTHW, view.lengths_B, view.word_BT)
        teacher_BK = teacher_BK.float()
        return self.alpha * distillation_loss(student_BK, teacher_BK, temperature=self.temperature)
