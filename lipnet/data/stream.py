"""The training batches of every epoch: which clips in which order, and each batch's random draws.

All of it is a function of (seed, epoch, step). So training resumes at any step, any number of
processes share one stream, and a teacher's logits for it can be recorded.
"""
# N clips  B batch  R rows of a micro-batch  M clips that a micro-batch needs

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from lipnet.data.augment import Draws, draw, random_view
from lipnet.data.batch import View
from lipnet.data.loader import ClipStore
from lipnet.data.prefetch import prefetch, prefetch_to
from lipnet.recipe import Recipe

PREFETCH_BATCHES = 2  # read and on their way to the device before they are used


@dataclass(frozen=True)
class MicroBatch:
    """Rows of a step's batch that go through the model together.

    `weight` is their fraction of the batch; 0 for rows of another process, repeated by a process
    that has none of its own. `first_clip` is the number of the epoch's clips before the step.
    """

    step: int
    first_clip: int
    rows_R: Tensor
    view: View
    weight: float


@dataclass(frozen=True)
class Plan:
    """A micro-batch whose clips are not read yet: their numbers, and their random draws."""

    step: int
    first_clip: int
    rows_R: Tensor
    clips_M: Tensor
    draws: Draws
    weight: float

    def with_view(self, view: View) -> MicroBatch:
        return MicroBatch(self.step, self.first_clip, self.rows_R, view, self.weight)


@dataclass(frozen=True)
class Stream:
    """A store's clips, batched as a recipe asks for; `pad_heads` for a compiled head."""

    store: ClipStore
    recipe: Recipe
    pad_heads: bool = False

    @property
    def steps_per_epoch(self) -> int:
        """Batches per epoch; a last batch of a single clip is dropped: BatchNorm needs two."""
        full, rest = divmod(len(self.store), self.recipe.batch)
        return full + 1 if rest > 1 else full

    @property
    def clips_per_epoch(self) -> int:
        """Clips per epoch."""
        return min(len(self.store), self.steps_per_epoch * self.recipe.batch)

    def epoch(
        self,
        epoch: int,
        *,
        first_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
        device: torch.device | None = None,
    ) -> Iterator[list[MicroBatch]]:
        """This process's micro-batches per step from `first_step` on, with views on `device`."""
        steps = list(self.plan_steps(epoch, first_step, rank, world_size))
        views = self._views([plan for plans in steps for plan in plans], device)
        for plans in steps:
            made = list(islice(views, len(plans)))
            yield [plan.with_view(view) for plan, view in zip(plans, made, strict=True)]

    def _views(self, plans: Sequence[Plan], device: torch.device | None) -> Iterator[View]:
        """The plans' views. For a CUDA device they are made ahead too, so that the host never waits
        for it; on a CPU that would only compete with the training for its cores."""
        read = self.store.batches([plan.clips_M for plan in plans])
        head_steps = self.store.longest if self.pad_heads else None
        if device is not None and device.type == "cuda":
            views = (
                random_view(batch, plan.draws, self.recipe, device=device, head_steps=head_steps)
                for plan, batch in zip(plans, read, strict=True)
            )
            return prefetch_to(device, views, View.device_tensors, ahead=PREFETCH_BATCHES)
        batches = prefetch(read, ahead=PREFETCH_BATCHES)
        return (
            random_view(batch, plan.draws, self.recipe, head_steps=head_steps)
            for plan, batch in zip(plans, batches, strict=True)
        )

    def plan_steps(
        self, epoch: int, first_step: int = 0, rank: int = 0, world_size: int = 1
    ) -> Iterator[list[Plan]]:
        """The plans of each step's micro-batches, without reading a clip."""
        recipe = self.recipe
        order_N = self.store.order(seed=recipe.stream_seed, epoch=epoch)
        for step in range(first_step, self.steps_per_epoch):
            first_clip = step * recipe.batch
            chosen_B = order_N[first_clip : first_clip + recipe.batch]
            draws = draw(recipe, len(chosen_B), epoch=epoch, step=step)
            micro_batches = split_batch(len(chosen_B), recipe.micro_batch)
            plans = []
            for rows_R, weight in _assign(micro_batches, rank, world_size):
                needed_M, own = draws.rows(rows_R)
                plans.append(Plan(step, first_clip, rows_R, chosen_B[needed_M], own, weight))
            yield plans


def split_batch(clips: int, micro_batch: int) -> list[Tensor]:
    """A batch's rows as micro-batches of about equal size: at most `micro_batch` clips (0: all),
    and two or more in each."""
    count = -(-clips // micro_batch) if micro_batch else 1
    return list(torch.tensor_split(torch.arange(clips), max(1, min(count, clips // 2))))


def _assign(micro_batches: list[Tensor], rank: int, world_size: int) -> list[tuple[Tensor, float]]:
    """The micro-batches of one process, with their weights."""
    clips = sum(len(rows_R) for rows_R in micro_batches)
    own = micro_batches[rank::world_size]
    if not own:
        return [(micro_batches[0], 0.0)]
    return [(rows_R, len(rows_R) / clips) for rows_R in own]
