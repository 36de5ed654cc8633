"""Teachers: what adds a distillation term to a student's loss, or the object that adds none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from lipnet.data.augment import View
from lipnet.device import mixed_precision
from lipnet.distill.loss import distillation_loss, zero_loss
from lipnet.distill.recording import Recording
from lipnet.models.fold import fold_batchnorm
from lipnet.models.infer import infer_clips

# B batch  K classes  R rows of a part
LEAST = -1e4  # of a logit below the best; a half holds no more than 65,504


@dataclass(frozen=True)
class Place:
    """Where in the stream a view comes from: its epoch, its step and its rows of the epoch."""

    epoch: int
    step: int
    rows_R: Tensor


class Teacher(Protocol):
    """Adds to a student's loss, given the very view of the clips that the student saw."""

    def loss(self, student_BK: Tensor, view: View, place: Place) -> Tensor:
        """The weighted distillation term, a scalar with gradients for the student only."""
        ...

    def save(self, epoch: int) -> None:
        """The training is about to be saved within or before this epoch."""
        ...

    def finish_epoch(self, epoch: int) -> None:
        """All of the epoch's views have come."""
        ...


class NoTeacher:
    """Training from scratch: the distillation term is 0."""

    def loss(self, student_BK: Tensor, view: View, place: Place) -> Tensor:
        return zero_loss(student_BK)

    def save(self, epoch: int) -> None:
        return

    def finish_epoch(self, epoch: int) -> None:
        return


class FrozenTeacher:
    """Copies of trained models in eval mode; they see the student's crop, flip, length and mixup
    (a consistent teacher, Beyer et al., arXiv 2106.05237) and get no gradient.

    Several teach as one, by the mean of their probabilities. What is said is rounded to half
    precision, so that a recording of it teaches the same.
    """

    def __init__(
        self, models: Sequence[nn.Module], *, alpha: float, temperature: float = 1.0
    ) -> None:
        self._models = [fold_batchnorm(model) for model in models]
        self._alpha = alpha
        self._temperature = temperature

    def loss(self, student_BK: Tensor, view: View, place: Place) -> Tensor:
        said_BK = self.say(view, place).to(student_BK)
        return self._alpha * distillation_loss(student_BK, said_BK, temperature=self._temperature)

    def say(self, view: View, place: Place) -> Tensor:
        """Logits for the view, at most 0, in half precision: [B, K]."""
        with torch.inference_mode(), mixed_precision(view.frames_BTHW.device):
            heard = [
                infer_clips(model, view.frames_BTHW, view.lengths_B, view.word_BT)
                for model in self._models
            ]
        logits_BK = _mean_logits(heard, self._temperature)
        # Differences to the best label are what counts, and halves near 0 are the finest.
        return (logits_BK - logits_BK.amax(1, keepdim=True)).clamp_(min=LEAST).half()

    def save(self, epoch: int) -> None:
        return

    def finish_epoch(self, epoch: int) -> None:
        return


class RecordedTeacher(FrozenTeacher):
    """A frozen teacher that is asked once for each place in the stream and remembered after."""

    def __init__(
        self,
        models: Sequence[nn.Module],
        recording: Recording,
        *,
        alpha: float,
        temperature: float = 1.0,
    ) -> None:
        super().__init__(models, alpha=alpha, temperature=temperature)
        self._recording = recording

    def say(self, view: View, place: Place) -> Tensor:
        kept_BK = self._recording.read(place.epoch, place.rows_R)
        if kept_BK is not None:
            return kept_BK.to(view.frames_BTHW.device)
        said_BK = super().say(view, place)
        self._recording.write(place.epoch, place.rows_R, said_BK.cpu())
        return said_BK

    def save(self, epoch: int) -> None:
        self._recording.flush()

    def finish_epoch(self, epoch: int) -> None:
        self._recording.finish(epoch)


def _mean_logits(heard: Sequence[Tensor], temperature: float) -> Tensor:
    """One teacher's logits, or those of several whose softmax at the temperature is their mean."""
    if len(heard) == 1:
        only = heard[0]
        return only.clone() if only.dtype == torch.float64 else only.float().clone()
    shares = [torch.log_softmax(logits.float() / temperature, 1) for logits in heard]
    return torch.logsumexp(torch.stack(shares), 0) * temperature
