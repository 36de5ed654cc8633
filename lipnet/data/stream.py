"""The training batches of every epoch: which clips in which order, and the draws about them.

All of it is a function of (seed, epoch, step) alone. So training goes on from any step, any number
of processes share one stream, and a teacher's logits over it can be kept.
"""
# B batch  R rows of a part  M clips that a part needs

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from lipnet.data.augment import ClipBatch, Draws, draw
from lipnet.data.loader import ClipStore
from lipnet.data.prefetch import run_ahead
from lipnet.recipe import Recipe

BATCHES_AHEAD = 2  # that are read and on their way to the device before they are asked for


@dataclass(frozen=True)
class Share:
    """Which of several processes this is: `rank` of `world`, each with its share of every batch."""

    rank: int = 0
    world: int = 1


ALONE = Share()


@dataclass(frozen=True)
class Part:
    """Rows of a step's batch that go through the model together.

    `weight` is their share of the batch; 0 for rows that are another process's, repeated by one
    that has none of its own. `first` counts the clips of the epoch before the step.
    """

    step: int
    first: int
    rows_R: Tensor
    batch: ClipBatch
    draws: Draws
    weight: float


@dataclass(frozen=True)
class _Plan:
    """A part whose clips are not read yet."""

    step: int
    first: int
    rows_R: Tensor
    clips_M: Tensor
    draws: Draws
    weight: float

    def of(self, batch: ClipBatch) -> Part:
        return Part(self.step, self.first, self.rows_R, batch, self.draws, self.weight)


@dataclass(frozen=True)
class Stream:
    """A store's clips as one recipe streams them."""

    clips: ClipStore
    recipe: Recipe

    def steps(self) -> int:
        """Batches an epoch; a last one of a single clip is left out, for its statistics mean
        nothing."""
        whole, rest = divmod(len(self.clips), self.recipe.batch)
        return whole + (rest > 1)

    def seen(self) -> int:
        """Clips an epoch."""
        return min(len(self.clips), self.steps() * self.recipe.batch)

    def epoch(
        self,
        epoch: int,
        *,
        begin: int = 0,
        share: Share = ALONE,
        device: torch.device | None = None,
    ) -> Iterator[list[Part]]:
        """The parts of each step from `begin` on, read ahead onto `device`."""
        steps = list(self._plan(epoch, begin, share))
        batches = self.clips.batches([plan.clips_M for plans in steps for plan in plans])
        sent = run_ahead((_send(batch, device) for batch in batches), ahead=BATCHES_AHEAD)
        for plans in steps:
            came = list(islice(sent, len(plans)))
            yield [plan.of(batch) for plan, batch in zip(plans, came, strict=True)]

    def _plan(self, epoch: int, begin: int, share: Share) -> Iterator[list[_Plan]]:
        recipe = self.recipe
        order_N = self.clips.order(seed=recipe.stream_seed, epoch=epoch)
        for step in range(begin, self.steps()):
            first = step * recipe.batch
            chosen_B = order_N[first : first + recipe.batch]
            draws = draw(recipe, len(chosen_B), epoch=epoch, step=step)
            parts = []
            for rows_R, weight in _own(cut_batch(len(chosen_B), recipe.micro_batch), share):
                needed_M, own = draws.rows(rows_R)
                parts.append(_Plan(step, first, rows_R, chosen_B[needed_M], own, weight))
            yield parts


def cut_batch(clips: int, micro_batch: int) -> list[Tensor]:
    """The rows of a batch in parts of at most `micro_batch` clips (0: one part), about equal; two
    clips or more in each."""
    parts = -(-clips // micro_batch) if micro_batch else 1
    return list(torch.tensor_split(torch.arange(clips), max(1, min(parts, clips // 2))))


def _own(parts: list[Tensor], share: Share) -> list[tuple[Tensor, float]]:
    """The parts of one process, and their weights."""
    clips = sum(len(rows_R) for rows_R in parts)
    own = parts[share.rank :: share.world]
    if not own:
        return [(parts[0], 0.0)]
    return [(rows_R, len(rows_R) / clips) for rows_R in own]


def _send(batch: ClipBatch, device: torch.device | None) -> ClipBatch:
    if device is None or device.type != "cuda" or batch.frames_NTHW.is_cuda:
        return batch
    pinned = batch.frames_BTHW.pin_memory()
    return ClipBatch(pinned, batch.lengths_B, batch.labels_B, batch.words_B2).to(device)
