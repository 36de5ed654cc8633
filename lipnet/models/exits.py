"""Early exits: heads after the second and third stage of a ResNet, and a model's part up to one.

After BranchyNet (Teerapittayanon et al., arXiv 1709.01686) and MSDNet (Huang et al., arXiv
1703.09844): all exits train together, their losses added with equal weight. A choice: each exit is
the mean over the map, a DS-TCN of 256 channels times the width, and a linear layer.
"""
# B batch  T frames  H W pixels  K classes  E outputs per clip  N valid frames  C channels

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lipnet.models.lipreader import FrontEnd, Head, Lipreader, check_batch
from lipnet.models.packing import ValidFrames, find_valid_frames
from lipnet.models.resnet import STAGES, ResNet
from lipnet.spec import EXIT_STAGES

EXITS = "exits."


class Exit(nn.Module):
    """Classifies the clips by the frame maps of one stage."""

    def __init__(self, head: Head, n_classes: int) -> None:
        super().__init__()
        self.head = head
        self.classifier = nn.Linear(head.features, n_classes)

    def forward(self, maps_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """[N, C, H, W] -> logits [B, K]."""
        out_NC = self.head(maps_NCHW.mean((2, 3)), valid.for_head)
        logits_BK: Tensor = self.classifier(valid.for_head.mean(out_NC))
        return logits_BK


class ExitingLipreader(Lipreader):
    """A Lipreader whose forward pass in training also returns the logits of its exits [E, B, K],
    after its own; in evaluation it returns its own alone."""

    def __init__(
        self, frontend: FrontEnd, trunk: ResNet, head: Head, n_classes: int, exits: Sequence[Head]
    ) -> None:
        super().__init__(frontend, trunk, head, n_classes, boundary=False)
        self.exits = nn.ModuleList(Exit(own, n_classes) for own in exits)

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
        maps_NCHW, outputs, done = self.frontend(frames_BTHW, valid), [], 0
        for leave, last in zip(self.exits, EXIT_STAGES, strict=True):
            maps_NCHW = self._compute_stages(maps_NCHW, done, last)
            outputs.append(leave(maps_NCHW, valid))
            done = last
        return torch.stack([self._finish(maps_NCHW, done, valid), *outputs])

    def leave_early(
        self, frames_BTHW: Tensor, lengths_B: Tensor, *, exit: int, threshold: float
    ) -> Tensor:
        """Logits [B, K] in evaluation: those of an exit, the first being 1, for the clips whose top
        probability there is at least the threshold; the others go on to the end."""
        valid, last = check_batch(frames_BTHW, lengths_B), EXIT_STAGES[exit - 1]
        maps_NCHW = self._compute_stages(self.frontend(frames_BTHW, valid), 0, last)
        logits_BK: Tensor = self.exits[exit - 1](maps_NCHW, valid)
        stays_B = logits_BK.softmax(1).amax(1) < threshold
        if not bool(stays_B.any()):
            return logits_BK
        own_B = valid.lengths_B[stays_B]
        rest = find_valid_frames(own_B, steps=valid.steps, device=maps_NCHW.device)
        maps_NCHW = maps_NCHW[stays_B.repeat_interleave(valid.lengths_B)]
        return logits_BK.index_put((stays_B,), self._finish(maps_NCHW, last, rest))

    def _compute_stages(self, maps_NCHW: Tensor, done: int, last: int) -> Tensor:
        """The stages of the trunk after the first `done`, up to `last`."""
        assert isinstance(self.trunk, ResNet)
        for stage in self.trunk.stages[done:last]:
            maps_NCHW = stage(maps_NCHW)
        return maps_NCHW

    def _finish(self, maps_NCHW: Tensor, done: int, valid: ValidFrames) -> Tensor:
        """The network's own logits, from the maps after `done` stages."""
        maps_NCHW = self._compute_stages(maps_NCHW, done, STAGES)
        last_NC = self.head(maps_NCHW.mean((2, 3)), valid.for_head)
        own_BK: Tensor = self.classifier(valid.for_head.mean(last_NC))
        return own_BK


def take_exit(tensors: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
    """The tensors of an ordinary model that ends at an exit, the first being 1."""
    own, last = f"{EXITS}{number - 1}.", EXIT_STAGES[number - 1]
    stages = tuple(f"trunk.stages.{stage}." for stage in range(last))
    kept = {name: tensor for name, tensor in tensors.items() if name.startswith("frontend.")}
    kept |= {name: tensor for name, tensor in tensors.items() if name.startswith(stages)}
    leaving = {name: tensor for name, tensor in tensors.items() if name.startswith(own)}
    return kept | {name.removeprefix(own): tensor for name, tensor in leaving.items()}
