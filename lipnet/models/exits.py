"""Early exits: heads after some stages of a trunk, and a model's part up to one.

After BranchyNet (Teerapittayanon et al., arXiv 1709.01686) and MSDNet (Huang et al., arXiv
1703.09844): all exits train together, their losses added with equal weight. A choice: each exit is
what the trunk has for it (the mean over the map, or MSDNet's convolutions and the mean), a DS-TCN
of 256 channels times the width, and a linear layer.
"""
# B batch  T frames  H W pixels  K classes  E outputs per clip  N valid frames  C channels

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from lipnet.models.lipreader import FrontEnd, Head, Lipreader, Trunk, check_batch
from lipnet.models.packing import ValidFrames, find_valid_frames
from lipnet.spec import ModelSpec

EXITS = "exits."
State = Any  # what a stage gives and the next one takes: a map [N, C, H, W], or a list of them


@runtime_checkable
class StagedTrunk(Trunk, Protocol):
    """A trunk of stages; `exit` turns what the last of them gives into features [N, C]."""

    stages: nn.ModuleList
    exit: nn.Module


class Exit(nn.Module):
    """Classifies the clips by what one stage gives."""

    def __init__(self, exit: nn.Module, head: Head, n_classes: int) -> None:
        super().__init__()
        self.exit = exit
        self.head = head
        self.classifier = nn.Linear(head.features, n_classes)

    def forward(self, state: State, valid: ValidFrames) -> Tensor:
        """What the stage gives for each valid frame -> logits [B, K]."""
        out_NC = self.head(self.exit(state), valid.for_head)
        logits_BK: Tensor = self.classifier(valid.for_head.mean(out_NC))
        return logits_BK


class ExitingLipreader(Lipreader):
    """A Lipreader whose forward pass in training also returns the logits of its exits [E, B, K],
    after its own; in evaluation it returns its own alone."""

    trunk: StagedTrunk

    def __init__(
        self,
        frontend: FrontEnd,
        trunk: StagedTrunk,
        head: Head,
        n_classes: int,
        exits: Mapping[int, Exit],
    ) -> None:
        """`exits` by the number of stages before them."""
        super().__init__(frontend, trunk, head, n_classes, boundary=False)
        self._ends = tuple(exits)
        self.exits = nn.ModuleList(exits.values())

    def forward(
        self,
        frames_BTHW: Tensor,
        lengths_B: Tensor,
        word_BT: Tensor | None = None,
        valid: ValidFrames | None = None,
    ) -> Tensor:
        """As a Lipreader's, or [E, B, K] in training."""
        if not self.training:
            return super().forward(frames_BTHW, lengths_B, word_BT, valid)
        valid = check_batch(frames_BTHW, lengths_B) if valid is None else valid
        state: State = self.frontend(frames_BTHW, valid)
        outputs, done = [], 0
        for leave, end in zip(self.exits, self._ends, strict=True):
            state = compute_stages(self.trunk.stages, state, done, end)
            outputs.append(leave(state, valid))
            done = end
        return torch.stack([self._finish(state, done, valid), *outputs])

    def leave_early(
        self, frames_BTHW: Tensor, lengths_B: Tensor, *, exit: int, threshold: float
    ) -> Tensor:
        """Logits [B, K] in evaluation: those of an exit, the first being 1, for the clips whose top
        probability there is at least the threshold; the others go on to the end."""
        valid, end = check_batch(frames_BTHW, lengths_B), self._ends[exit - 1]
        state = compute_stages(self.trunk.stages, self.frontend(frames_BTHW, valid), 0, end)
        logits_BK: Tensor = self.exits[exit - 1](state, valid)
        stays_B = logits_BK.softmax(1).amax(1) < threshold
        if not bool(stays_B.any()):
            return logits_BK
        own_B = valid.lengths_B[stays_B]
        rest = find_valid_frames(own_B, steps=valid.steps, device=logits_BK.device)
        state = _take_frames(state, stays_B.repeat_interleave(valid.lengths_B))
        return logits_BK.index_put((stays_B,), self._finish(state, end, rest))

    def _finish(self, state: State, done: int, valid: ValidFrames) -> Tensor:
        """The network's own logits, from what the first `done` stages give."""
        features_NC = self.trunk.exit(compute_stages(self.trunk.stages, state, done))
        own_BK: Tensor = self.classifier(
            valid.for_head.mean(self.head(features_NC, valid.for_head))
        )
        return own_BK


def compute_stages(
    stages: nn.ModuleList, state: State, done: int = 0, end: int | None = None
) -> State:
    """What a trunk's stages after the first `done` give, up to `end`."""
    for stage in stages[done:end]:
        state = stage(state)
    return state


def _take_frames(state: State, taken_N: Tensor) -> State:
    if isinstance(state, Tensor):
        return state[taken_N]
    return [maps_NCHW[taken_N] for maps_NCHW in state]


def take_exit(tensors: Mapping[str, Tensor], spec: ModelSpec, number: int) -> dict[str, Tensor]:
    """Of a model with exits, the tensors of an ordinary model that ends at one, the first being 1;
    all for 0."""
    if number == 0:
        return dict(tensors)
    own = f"{EXITS}{number - 1}."
    stages = tuple(f"trunk.stages.{stage}." for stage in range(spec.exits[number - 1]))
    kept = {
        name: tensor for name, tensor in tensors.items() if name.startswith(("frontend.", *stages))
    }
    for name, tensor in tensors.items():
        if name.startswith(own):
            part = name.removeprefix(own)
            kept[f"trunk.{part}" if part.startswith("exit.") else part] = tensor
    return kept
