"""ValidFrames: which steps of a padded batch are frames, and the two layouts.

Between temporal convolutions everything is packed, one row per real frame (N rows): padding costs
no computation, enters no BatchNorm and reaches no other frame.
"""
# B batch  T steps  N valid frames of the whole batch  C channels

from dataclasses import dataclass

import torch
from torch import Tensor

from lipnet.errors import InputError


@dataclass(frozen=True)
class ValidFrames:
    """`index_N` numbers the valid steps in the flat B*T layout; None if every step is valid."""

    batch: int
    steps: int
    lengths_B: Tensor
    index_N: Tensor | None

    def pack(self, grid: Tensor) -> Tensor:
        """[B, T, ...] -> [N, ...], dropping the padding."""
        flat = grid.flatten(0, 1)
        return flat if self.index_N is None else flat.index_select(0, self.index_N)

    def unpack(self, packed_NC: Tensor) -> Tensor:
        """[N, C] -> [B, T, C], with zeros as padding."""
        flat = packed_NC
        if self.index_N is not None:
            empty = packed_NC.new_zeros(self.batch * self.steps, packed_NC.shape[1])
            flat = empty.index_copy(0, self.index_N, packed_NC)
        return flat.view(self.batch, self.steps, packed_NC.shape[1])

    def mean(self, packed_NC: Tensor) -> Tensor:
        """[N, C] -> [B, C], each clip's mean over its own frames."""
        sums_BC = self.unpack(packed_NC).sum(1)
        return sums_BC / self.lengths_B.to(sums_BC.dtype).unsqueeze(1)


def find_valid_frames(lengths_B: Tensor, *, steps: int, device: torch.device) -> ValidFrames:
    """The valid frames of a batch padded to `steps`; lengths are 1 to `steps`."""
    lengths = lengths_B.tolist()
    if not lengths or min(lengths) < 1 or max(lengths) > steps:
        raise InputError(f"clip lengths {lengths} do not fit a batch of {steps} frames")
    index_N = None
    if min(lengths) < steps:
        valid_BT = torch.arange(steps) < lengths_B.cpu().unsqueeze(1)
        index_N = valid_BT.flatten().nonzero().squeeze(1).to(device)
    return ValidFrames(len(lengths), steps, lengths_B.to(device), index_N)
