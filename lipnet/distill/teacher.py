"""Teachers: what adds a distillation term to a student's loss, or the object that adds none."""
# B batch  K classes  R rows of a micro-batch

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from lipnet.data.batch import View
from lipnet.device import HostCopies, copy_to_host, mixed_precision, send_together
from lipnet.distill.loss import (
    correlation_loss,
    decoupled_loss,
    distillation_loss,
    standardise,
    zero_loss,
)
from lipnet.distill.recording import Recording
from lipnet.models.fold import fold_batchnorm
from lipnet.models.infer import infer_clips
from lipnet.recipe import Recipe

# With the student's logits, the teacher's and `temperature`; "dkd" also needs the labels.
LOSSES = {"kl": distillation_loss, "dist": correlation_loss}
MIN_LOGIT = -1e4  # relative to the largest logit; half precision holds at most 65,504


@dataclass(frozen=True)
class StreamPosition:
    """Where in the stream a view comes from: its epoch, its step and its rows of the epoch."""

    epoch: int
    step: int
    rows_R: Tensor


class Teacher(Protocol):
    """Adds a term to a student's loss, computed from the same view of the clips."""

    def loss(self, student_BK: Tensor, view: View, position: StreamPosition) -> Tensor:
        """The weighted distillation term, a scalar with gradients for the student only."""
        ...

    def flush(self, epoch: int) -> None:
        """Called before a checkpoint within or before this epoch is written."""
        ...

    def finish_epoch(self, epoch: int) -> None:
        """Called after the last step of an epoch."""
        ...


class NoTeacher:
    """Training from scratch: the distillation term is 0."""

    def loss(self, student_BK: Tensor, view: View, position: StreamPosition) -> Tensor:
        return zero_loss(student_BK)

    def flush(self, epoch: int) -> None:
        return

    def finish_epoch(self, epoch: int) -> None:
        return


class FrozenTeacher:
    """Copies of trained models in eval mode, without gradients; they see the student's crop, flip,
    length and mixup (a consistent teacher, Beyer et al., arXiv 2106.05237).

    `recipe` is the student's. Several models teach by the mean of their probabilities. Their logits
    are rounded to half precision, so that a recording of them gives the same loss.
    """

    def __init__(self, models: Sequence[nn.Module], recipe: Recipe) -> None:
        self._models = [_prepare(model) for model in models]
        self._recipe = recipe

    def loss(self, student_BK: Tensor, view: View, position: StreamPosition) -> Tensor:
        teacher_BK = self.logits(view, position).to(student_BK)
        return self._recipe.alpha * _compare(student_BK, teacher_BK, view, self._recipe)

    def logits(self, view: View, position: StreamPosition) -> Tensor:
        """Logits for the view [B, K], in half precision; the largest of each clip is 0."""
        with torch.inference_mode(), mixed_precision(view.frames_BTHW.device):
            members = [
                infer_clips(model, view.frames_BTHW, view.lengths_B, view.word_BT, view.valid)
                for model in self._models
            ]
        logits_BK = _mean_logits(members, self._recipe.temperature)
        # Only differences between logits count, and half precision is finest near 0.
        return (logits_BK - logits_BK.amax(1, keepdim=True)).clamp_(min=MIN_LOGIT).half()

    def flush(self, epoch: int) -> None:
        return

    def finish_epoch(self, epoch: int) -> None:
        return


def _prepare(model: nn.Module) -> nn.Module:
    folded = fold_batchnorm(model)
    is_on_gpu = any(own.device.type == "cuda" for own in folded.parameters())
    return round_weights(folded) if is_on_gpu else folded


def round_weights(model: nn.Module) -> nn.Module:
    """The model itself, with its convolutions and linear layers in bfloat16: what autocast would
    make of these weights in every step, so the logits are the same."""
    for module in model.modules():
        if isinstance(module, _ConvNd | nn.Linear):
            module.to(torch.bfloat16)
    return model


class RecordedTeacher(FrozenTeacher):
    """A frozen teacher that computes the logits of each stream position once and records them."""

    def __init__(self, models: Sequence[nn.Module], recipe: Recipe, recording: Recording) -> None:
        super().__init__(models, recipe)
        self._recording = recording
        self._pending: deque[tuple[StreamPosition, HostCopies]] = deque()

    def logits(self, view: View, position: StreamPosition) -> Tensor:
        recorded_BK = self._recording.read(position.epoch, position.rows_R)
        if recorded_BK is not None:
            return send_together([recorded_BK], view.frames_BTHW.device)[0]
        computed_BK = super().logits(view, position)
        self._pending.append((position, copy_to_host([computed_BK])))
        self._record(wait=False)
        return computed_BK

    def flush(self, epoch: int) -> None:
        self._record(wait=True)
        self._recording.flush()

    def finish_epoch(self, epoch: int) -> None:
        self._record(wait=True)
        self._recording.finish(epoch)

    def _record(self, *, wait: bool) -> None:
        """Record the logits that have arrived from the device, or all of them."""
        while self._pending and (wait or self._pending[0][1].is_ready()):
            position, copies = self._pending.popleft()
            self._recording.write(position.epoch, position.rows_R, copies.wait()[0])


def _compare(student_BK: Tensor, teacher_BK: Tensor, view: View, recipe: Recipe) -> Tensor:
    """The distillation loss that the recipe names, before its weight."""
    if recipe.standardise:
        student_BK, teacher_BK = standardise(student_BK), standardise(teacher_BK)
    temperature = recipe.temperature
    if recipe.distillation != "dkd":
        return LOSSES[recipe.distillation](student_BK, teacher_BK, temperature=temperature)
    targets = [(view.labels_B, view.share)]
    if view.share < 1.0:  # as in the cross-entropy, each label counts by its share
        targets.append((view.partner_labels_B, 1.0 - view.share))
    terms = [
        share
        * decoupled_loss(
            student_BK, teacher_BK, labels_B, beta=recipe.dkd_beta, temperature=temperature
        )
        for labels_B, share in targets
    ]
    return torch.stack(terms).sum()


def _mean_logits(members: Sequence[Tensor], temperature: float) -> Tensor:
    """The logits of one model, or logits whose softmax at the temperature is the models' mean."""
    if len(members) == 1:
        only_BK = members[0]
        return only_BK.clone() if only_BK.dtype == torch.float64 else only_BK.float().clone()
    log_probabilities = [torch.log_softmax(own.float() / temperature, 1) for own in members]
    return torch.logsumexp(torch.stack(log_probabilities), 0) * temperature
