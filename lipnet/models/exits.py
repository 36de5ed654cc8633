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
from lipnet.models.packing import ValidFrames
from lipnet.models.resnet import ResNet
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
        assert isinstance(self.trunk, ResNet)
        maps_NCHW, outputs = self.frontend(frames_BTHW, valid), []
        for number, stage in enumerate(self.trunk.stages, 1):
            maps_NCHW = stage(maps_NCHW)
            if number in EXIT_STAGES:
                leave = self.exits[EXIT_STAGES.index(number)]
                outputs.append(leave(maps_NCHW, valid))
        last_NC = self.head(maps_NCHW.mean((2, 3)), valid.for_head)
        own_BK = self.classifier(valid.for_head.mean(last_NC))
        return torch.stack([own_BK, *outputs])


def take_exit(tensors: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
    """The tensors of an ordinary model that ends at an exit, the first being 1."""
    own, last = f"{EXITS}{number - 1}.", EXIT_STAGES[number - 1]
    stages = tuple(f"trunk.stages.{stage}." for stage in range(last))
    kept = {name: tensor for name, tensor in tensors.items() if name.startswith("frontend.")}
    kept |= {name: tensor for name, tensor in tensors.items() if name.startswith(stages)}
    leaving = {name: tensor for name, tensor in tensors.items() if name.startswith(own)}
    return kept | {name.removeprefix(own): tensor for name, tensor in leaving.items()}
