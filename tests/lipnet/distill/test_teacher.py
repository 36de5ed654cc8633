"""Teachers: what they see, what they add, and where gradients may not go."""

import pytest
import torch
from torch import Tensor, nn

from lipnet.data.augment import View
from lipnet.distill.teacher import FrozenTeacher, NoTeacher


class Recorder(nn.Module):
    """A linear model over mean pixels that remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 3)
        self.dropout = nn.Dropout(0.5)
        self.seen: list[Tensor] = []

    def forward(self, frames_BTHW: Tensor, lengths_B: Tensor, word_BT: Tensor) -> Tensor:
        self.seen.append(frames_BTHW)
        mean_B1 = frames_BTHW.flatten(1).mean(1, keepdim=True)
        return self.dropout(self.layer(mean_B1))


def make_view() -> View:
    frames_BTHW = torch.randn((4, 2, 3, 3), generator=torch.Generator().manual_seed(1))
    labels_B = torch.tensor([0, 1, 2, 0])
    return View(frames_BTHW, torch.full((4,), 2), torch.ones(4, 2), labels_B, labels_B.flip(0), 0.6)


def test_student_gradients_never_reach_the_teacher() -> None:
    student, model = Recorder(), Recorder()
    view = make_view()
    teacher = FrozenTeacher(model, alpha=1.0)
    teacher.loss(student(view.frames_BTHW, view.lengths_B, view.word_BT), view).backward()
    assert all(p.grad is None for p in model.parameters())
    assert any(p.grad is not None for p in student.parameters())


def test_teacher_sees_the_students_very_view_in_eval_mode() -> None:
    model, view = Recorder().train(), make_view()
    teacher = FrozenTeacher(model, alpha=1.0)
    first = teacher.loss(torch.zeros(4, 3), view)
    second = teacher.loss(torch.zeros(4, 3), view)
    assert isinstance(teacher.model, Recorder)
    assert teacher.model.seen[0] is view.frames_BTHW
    assert not teacher.model.training
    assert float(first) == float(second)


def test_alpha_scales_the_term() -> None:
    view, logits = make_view(), torch.randn((4, 3), generator=torch.Generator().manual_seed(3))
    model = Recorder()
    once = float(FrozenTeacher(model, alpha=1.0).loss(logits, view))
    assert float(FrozenTeacher(model, alpha=2.5).loss(logits, view)) == pytest.approx(2.5 * once)


def test_no_teacher_adds_nothing() -> None:
    assert float(NoTeacher().loss(torch.randn(4, 3), make_view())) == 0.0
