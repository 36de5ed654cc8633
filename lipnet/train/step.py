"""One step of training: a batch in parts, one update of the weights."""
# B batch  K classes

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lipnet.data.augment import random_view
from lipnet.data.stream import Part
from lipnet.device import mixed_precision
from lipnet.distill.loss import cross_entropy_mixed
from lipnet.distill.teacher import Place, Teacher
from lipnet.recipe import Recipe
from lipnet.seed import seed_of
from lipnet.train.batchnorm import RunningAverages
from lipnet.train.engine import Engine
from lipnet.train.optim import Optimiser


@dataclass
class Stepper:
    """A model with what each of its steps needs; `forward` is the model as training calls it."""

    model: nn.Module
    forward: nn.Module
    optimiser: Optimiser
    recipe: Recipe
    teacher: Teacher
    engine: Engine

    def __post_init__(self) -> None:
        self._averages = RunningAverages(self.model)
        self._cut = self.recipe.micro_batch > 0

    def step(self, parts: Sequence[Part], epoch: int, rate: float) -> Tensor:
        """Learn from the parts; this process's share of the batch's mean loss, cross-entropy and
        distillation term, [3] in float64 on the device."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        if self._cut:
            self._averages.begin()
        losses_3 = torch.zeros(3, dtype=torch.float64, device=self.engine.device)
        for number, part in enumerate(parts):
            with self.engine.processes.hold(self.forward, last=number == len(parts) - 1):
                losses_3 += part.weight * self._learn(part, epoch)
            if self._cut:
                self._averages.add(part.weight)
        if self._cut:
            self._averages.end(self.engine.processes)
        self.optimiser.step()
        return losses_3

    def _learn(self, part: Part, epoch: int) -> Tensor:
        """Gradients of one part's losses, weighted by its share of the batch."""
        place = Place(epoch, part.step, part.first + part.rows_R)
        # Dropout, too, is a function of the place: any process may have this part.
        torch.manual_seed(seed_of("dropout", self.recipe.seed, epoch, int(place.rows_R[0])))
        view = random_view(part.batch.to(self.engine.device), part.draws, self.recipe)
        with mixed_precision(self.engine.device):
            logits_BK = self.forward(view.frames_BTHW, view.lengths_B, view.word_BT)
        if logits_BK.dtype != torch.float64:
            logits_BK = logits_BK.float()
        ce = cross_entropy_mixed(logits_BK, view.labels_B, view.partner_labels_B, share=view.share)
        kd = self.teacher.loss(logits_BK, view, place)
        loss = ce + kd
        # The processes' gradients are averaged, and the parts' weights add up to 1 over them all.
        world = self.engine.processes.share.world
        (loss * (part.weight * world)).backward()  # type: ignore[no-untyped-call]
        return torch.stack([loss, ce, kd]).detach().double()
