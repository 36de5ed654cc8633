"""One optimiser step: a batch as micro-batches, one update of the weights."""
# B batch  K classes  E outputs per clip  R rows of a micro-batch

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lipnet.data.stream import MicroBatch
from lipnet.device import mixed_precision
from lipnet.distill.loss import cross_entropy_mixed
from lipnet.distill.teacher import StreamPosition, Teacher
from lipnet.recipe import Recipe
from lipnet.seed import seed_of
from lipnet.train.batchnorm import RunningStatistics
from lipnet.train.engine import Engine
from lipnet.train.form import AsTrained, Form
from lipnet.train.optim import Optimiser


@dataclass
class Stepper:
    """A model and what its steps need; `forward` is the model as training calls it, and `form`
    gives the loss of what it returns besides the model's own logits."""

    model: nn.Module
    forward: nn.Module
    optimiser: Optimiser
    recipe: Recipe
    teacher: Teacher
    engine: Engine
    form: Form = field(default_factory=AsTrained)

    def __post_init__(self) -> None:
        self._statistics = RunningStatistics(self.model)
        self._accumulates = self.recipe.micro_batch > 0

    def step(self, micro_batches: Sequence[MicroBatch], epoch: int, rate: float) -> Tensor:
        """Update the weights. Returns this process's contribution to the batch's mean loss,
        cross-entropy and distillation term, [3] in float64 on the device."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        if self._accumulates:
            self._statistics.start_step()
        losses_3 = torch.zeros(3, dtype=torch.float64, device=self.engine.device)
        last = len(micro_batches) - 1
        for index, micro_batch in enumerate(micro_batches):
            no_sync = self.engine.processes.no_sync
            with nullcontext() if index == last else no_sync(self.forward):
                losses_3 += micro_batch.weight * self._backward(micro_batch, epoch)
            if self._accumulates:
                self._statistics.add(micro_batch.weight)
        if self._accumulates:
            self._statistics.finish_step(self.engine.processes)
        self.optimiser.step()
        return losses_3

    def _backward(self, micro_batch: MicroBatch, epoch: int) -> Tensor:
        """Accumulate the gradients of one micro-batch, weighted by its fraction of the batch;
        returns its loss, cross-entropy and distillation term [3]."""
        position = StreamPosition(
            epoch, micro_batch.step, micro_batch.first_clip + micro_batch.rows_R
        )
        # Dropout also is a function of the position: any process may have this micro-batch.
        first_row = int(position.rows_R[0])
        torch.manual_seed(seed_of("dropout", self.recipe.seed, epoch, first_row))
        view = micro_batch.view
        with mixed_precision(self.engine.device):
            outputs = self.forward(view.frames_BTHW, view.lengths_B, view.word_BT, view.valid)
        if outputs.dtype != torch.float64:
            outputs = outputs.float()
        logits_BK, *others = outputs if outputs.dim() == 3 else [outputs]
        ce = cross_entropy_mixed(logits_BK, view.labels_B, view.partner_labels_B, share=view.share)
        kd = self.teacher.loss(logits_BK, view, position)
        loss = ce + kd
        if others:
            loss = loss + self.form.further_loss(others, logits_BK, view)
        # DistributedDataParallel averages gradients over the processes; the weights sum to 1
        # over all micro-batches of all processes.
        world_size = self.engine.processes.world_size
        (loss * (micro_batch.weight * world_size)).backward()  # type: ignore[no-untyped-call]
        return torch.stack([loss, ce, kd]).detach().double()
