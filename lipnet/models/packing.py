"""ValidFrames: which steps of a padded batch are frames, and the two layouts.

Between temporal convolutions everything is packed, one row per real frame (N rows): padding costs
no computation, enters no BatchNorm and reaches no other frame.
"""
# B batch  T steps  N valid frames of the whole batch  C channels

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lipnet.errors import InputError


@dataclass(frozen=True)
class TimeOrder:
    """Packed frames in the order of torch's PackedSequence: all first frames, the longest clip
    first, then all second frames, and so on.

    `rows_N` are the packed rows in that order, `back_N` are the places in that order of the packed
    rows, and `sizes_T`, on the CPU, is the number of clips that have each frame.
    """

    rows_N: Tensor
    back_N: Tensor
    sizes_T: Tensor


@dataclass(frozen=True)
class ValidFrames:
    """`index_N` numbers the valid steps in the flat B*T layout; None if every step is valid.

    `lengths_B` is on the device of the frames, `host_lengths_B` on the CPU.
    """

    batch: int
    steps: int
    lengths_B: Tensor
    index_N: Tensor | None
    host_lengths_B: Tensor
    known_order: TimeOrder | None = None
    grid: "ValidFrames | None" = None

    @property
    def for_head(self) -> "ValidFrames":
        """The same frames, padded to the steps that a compiled head has for every batch."""
        return self if self.grid is None else self.grid

    def time_order(self) -> TimeOrder:
        """The order of recurrent layers: computed and copied to the device if it is not known."""
        if self.known_order is not None:
            return self.known_order
        order, device = order_by_time(self.host_lengths_B), self.lengths_B.device
        return replace(order, rows_N=order.rows_N.to(device), back_N=order.back_N.to(device))

    def device_tensors(self) -> list[Tensor]:
        """What `with_tensors` takes: all tensors that a model on a device needs there."""
        order = self.time_order()
        indexes = [own.index_N for own in (self, self.grid) if own is not None]
        moved = [index_N for index_N in indexes if index_N is not None]
        return [self.lengths_B, order.rows_N, order.back_N, *moved]

    def with_tensors(self, moved: Sequence[Tensor]) -> "ValidFrames":
        """The same with `device_tensors` in another place."""
        lengths_B, rows_N, back_N, *indexes = moved
        order = TimeOrder(rows_N, back_N, self.time_order().sizes_T)
        index_N = None if self.index_N is None else indexes[0]
        sent = replace(self, lengths_B=lengths_B, index_N=index_N, known_order=order)
        if self.grid is None:
            return sent
        return replace(sent, grid=replace(sent, steps=self.grid.steps, index_N=indexes[-1]))

    def padded_to(self, steps: int) -> "ValidFrames":
        """The same with `for_head` padded to this many steps, and always with an index: one
        compiled graph then serves every batch."""
        index_N = _number_frames(self.host_lengths_B, steps).to(self.lengths_B.device)
        return replace(self, grid=replace(self, steps=steps, index_N=index_N, grid=None))

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
        index_N = _number_frames(lengths_B.cpu(), steps).to(device)
    host_lengths_B = lengths_B.cpu()
    return ValidFrames(len(lengths), steps, lengths_B.to(device), index_N, host_lengths_B)


def _number_frames(lengths_B: Tensor, steps: int) -> Tensor:
    """The numbers [N] of the valid frames in a flat layout of B * `steps`, on the CPU."""
    valid_BT = torch.arange(steps) < lengths_B.unsqueeze(1)
    return valid_BT.flatten().nonzero().squeeze(1)


def order_by_time(lengths_B: Tensor) -> TimeOrder:
    """The order by time of clips of these lengths, on the CPU."""
    longest_first_B, clips_B = torch.sort(lengths_B, descending=True)
    times_T1 = torch.arange(int(longest_first_B[0])).unsqueeze(1)
    has_frame_TB = times_T1 < longest_first_B
    starts_B = (lengths_B.cumsum(0) - lengths_B)[clips_B]
    rows_N = (starts_B + times_T1)[has_frame_TB]
    return TimeOrder(rows_N, rows_N.argsort(), has_frame_TB.sum(1))
