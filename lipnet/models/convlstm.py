"""The head of convolutional LSTMs, both ways (Shi et al., NeurIPS 2015, arXiv 1506.04214).

In lipreading Wang, "Multi-grained spatio-temporal modeling for lip-reading", BMVC 2019, arXiv
1908.11618, has it behind two trunks whose fusion and widths are not published in full. Ours is on
one trunk, without attention; cells have no peepholes.
"""
# B batch  T steps  N valid frames of the whole batch  C channels  H W pixels of a map

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipnet.models.densenet3d import MAP_SIDE
from lipnet.models.packing import ValidFrames

KERNEL = 3


class ConvLstmHead(nn.Module):
    """One layer each way on the maps that a trunk gives flattened; the mean over the map."""

    classifies_frames = False

    def __init__(self, inputs: int, *, channels: int) -> None:
        super().__init__()
        self._inputs = inputs // MAP_SIDE**2
        self.features = 2 * channels
        self.forwards = ConvLstm(self._inputs, channels)
        self.backwards = ConvLstm(self._inputs, channels)

    def forward(self, x_NC: Tensor, valid: ValidFrames) -> Tensor:
        """Packed [N, inputs] -> packed [N, 2 * channels]."""
        maps_NCHW = x_NC.view(-1, self._inputs, MAP_SIDE, MAP_SIDE)
        both = (
            self.forwards(maps_NCHW, valid, backwards=False),
            self.backwards(maps_NCHW, valid, backwards=True),
        )
        return valid.pack(torch.cat(both, 2))


class ConvLstm(nn.Module):
    """The four gates are one convolution of input and state."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self._inputs, self._channels = inputs, channels
        self.gates = nn.Conv2d(inputs + channels, 4 * channels, KERNEL, padding=KERNEL // 2)

    def forward(self, maps_NCHW: Tensor, valid: ValidFrames, *, backwards: bool) -> Tensor:
        """[N, inputs, H, W] -> the state's mean over the map [B, T, channels].

        Backwards, a clip starts at its own last frame; padding leaves the state at 0.
        """
        into, across = self.gates.weight.tensor_split([self._inputs], 1)
        # The input's share of all frames at once.
        own_NCHW = F.conv2d(maps_NCHW, into, self.gates.bias, padding=KERNEL // 2)
        own_BTCHW = valid.unpack(own_NCHW.flatten(1)).view(
            valid.batch, valid.steps, *own_NCHW.shape[1:]
        )
        steps = range(valid.steps)
        hidden = own_BTCHW.new_zeros(valid.batch, self._channels, *maps_NCHW.shape[2:])
        cell, means = hidden, {}
        for step in reversed(steps) if backwards else steps:
            gates_BCHW = own_BTCHW[:, step] + F.conv2d(hidden, across, padding=KERNEL // 2)
            take, keep, give, new = gates_BCHW.chunk(4, 1)
            cell = torch.sigmoid(keep) * cell + torch.sigmoid(take) * torch.tanh(new)
            hidden = torch.sigmoid(give) * torch.tanh(cell)
            padding_B111 = (valid.lengths_B <= step)[:, None, None, None]
            cell, hidden = (state.masked_fill(padding_B111, 0) for state in (cell, hidden))
            means[step] = hidden.mean((2, 3))
        return torch.stack([means[step] for step in steps], 1)
