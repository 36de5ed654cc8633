"""The training batches of every epoch: which clips in which order, and each batch's random draws.

All of it is a function of (seed, epoch, step). So training resumes at any step, any number of
processes share one stream, and a teacher's logits for it can be recorded.
"""
# N clips  B batch  R rows of a micro-batch  M clips that a micro-batch needs

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

import torch
from torch import Tensor

from lipnet.data.augment import Draws, add_partners, draw, draw_partners, random_view
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
    """A micro-batch whose clips are not read yet: their numbers; M are its rows and the mixup
    partners that are not among them."""

    step: int
    first_clip: int
    rows_R: Tensor
    clips_M: Tensor
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
        """This process's micro-batches per step from `first_step` on, with views on `device`.

        The clips of all steps are planned at the first one, so that a store can read ahead; the
        random numbers of a step are drawn when its views are made.
        """
        steps = list(self.plan_steps(epoch, first_step, rank, world_size))
        views = self._views(epoch, [plan for plans in steps for plan in plans], device)
        for plans in steps:
            made = list(islice(views, len(plans)))
            yield [plan.with_view(view) for plan, view in zip(plans, made, strict=True)]

    def _views(
        self, epoch: int, plans: Sequence[Plan], device: torch.device | None
    ) -> Iterator[View]:
        """The plans' views. For a CUDA device they are made ahead too, so that the host never waits
        for it; on a CPU that would only compete with the training for its cores."""
        read = self.store.batches([plan.clips_M for plan in plans])
        draws = self._draws(epoch, plans)
        head_steps = self.store.longest if self.pad_heads else None
        if device is not None and device.type == "cuda":
            views = (
                random_view(batch, own, self.recipe, device=device, head_steps=head_steps)
                for own, batch in zip(draws, read, strict=True)
            )
            return prefetch_to(device, views, View.device_tensors, ahead=PREFETCH_BATCHES)
        batches = prefetch(read, ahead=PREFETCH_BATCHES)
        return (
            random_view(batch, own, self.recipe, head_steps=head_steps)
            for own, batch in zip(draws, batches, strict=True)
        )

    def _draws(self, epoch: int, plans: Sequence[Plan]) -> Iterator[Draws]:
        """The draws of each plan's rows; those of a step are made once, when they are needed."""
        for step, own in groupby(plans, key=lambda plan: plan.step):
            draws = draw(self.recipe, self._count_clips(step), epoch=epoch, step=step)
            for plan in own:
                yield draws.rows(plan.rows_R)[1]

    def plan_steps(
        self, epoch: int, first_step: int = 0, rank: int = 0, world_size: int = 1
    ) -> Iterator[list[Plan]]:
        """The plans of each step's micro-batches, without reading a clip."""
        recipe = self.recipe
        order_N = self.store.order(seed=recipe.stream_seed, epoch=epoch)
        for step in range(first_step, self.steps_per_epoch):
            first_clip, clips = step * recipe.batch, self._count_clips(step)
            chosen_B = order_N[first_clip : first_clip + clips]
            micro_batches = split_batch(clips, recipe.micro_batch)
            partners_B, share = torch.arange(clips), 1.0  # a whole batch has all partners
            if recipe.mixup and len(micro_batches) > 1:
                partners_B, share = draw_partners(recipe, clips, epoch=epoch, step=step)
            plans = []
            for rows_R, weight in _assign(micro_batches, rank, world_size):
                needed_M = add_partners(rows_R, partners_B, share)
                plans.append(Plan(step, first_clip, rows_R, chosen_B[needed_M], weight))
            yield plans

    def _count_clips(self, step: int) -> int:
        """The clips of a step: those of the batch, or what is left for the last one."""
        return min(self.recipe.batch, len(self.store) - step * self.recipe.batch)


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
