"""The 3-D DenseNet trunk of the LRW-1000 paper (Yang et al., FG 2019, "D3D").

Published, in the public code of its authors and in a second one that agrees with it: 64 features
from the front end, dense blocks of 4, 8, 12 and 8 layers, growth 32, a bottleneck of 4 times the
growth, 1x1x1 then 3x3x3 convolutions without bias, BatchNorm and ReLU before each, transitions
that halve the channels and then pool 2x2 in space and not in time, a last BatchNorm, no ReLU
after it, the 3x3 map that 112 pixels leave flattened: 536 * 9 features for the GRU.

Choices: grey input, as in every other model here (theirs has three colours); no dropout (both
have 0.5 before the last linear layer, one 0.2 in the dense layers, the other none); the last map
is averaged to 3x3 if the input is not of 112 pixels, which changes nothing at 112; maps of one
pixel are not pooled.
"""
# N valid frames of the whole batch  C channels  H W pixels

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipnet.models.packing import ValidFrames

STEM_CHANNELS = 64
BLOCKS = (4, 8, 12, 8)
GROWTH = 32
BOTTLENECK = 4
MAP_SIDE = 3  # of the last map


class NeighbourConv(nn.Module):
    """A 3x3x3 convolution over packed frames, with zeros before a clip's first and after its last.

    One 2-D convolution computes each frame's contribution to the next frame, to itself and to the
    previous one. The contributions are then added up within each clip.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 3, padding=1, bias=False)

    def forward(self, x_NCHW: Tensor, first_N: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H, W]; `first_N` marks each clip's first frame."""
        weight_CCHW = self.conv.weight.permute(2, 0, 1, 3, 4).flatten(0, 1)
        parts_NCHW = F.conv2d(x_NCHW, weight_CCHW, padding=1)
        to_next_NCHW, own_NCHW, to_previous_NCHW = parts_NCHW.chunk(3, 1)
        other_clip_N111 = first_N[1:, None, None, None]  # the next frame is of another clip
        out_NCHW = own_NCHW.clone()
        # Filled, not multiplied by zero, because NaN times zero is NaN.
        out_NCHW[1:] += to_next_NCHW[:-1].masked_fill(other_clip_N111, 0)
        out_NCHW[:-1] += to_previous_NCHW[1:].masked_fill(other_clip_N111, 0)
        return out_NCHW


class DenseLayer(nn.Module):
    """Adds GROWTH channels, computed from all of its input, to its input."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        narrow = BOTTLENECK * GROWTH
        self.norm1 = nn.BatchNorm2d(inputs)
        self.act1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(inputs, narrow, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(narrow)
        self.act2 = nn.ReLU(inplace=True)
        self.conv2 = NeighbourConv(narrow, GROWTH)

    def forward(self, x_NCHW: Tensor, first_N: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, inputs + GROWTH, H, W]."""
        y_NCHW = self.conv1(self.act1(self.norm1(x_NCHW)))
        y_NCHW = self.conv2(self.act2(self.norm2(y_NCHW)), first_N)
        return torch.cat((x_NCHW, y_NCHW), 1)


class Transition(nn.Module):
    """Between two dense blocks: half the channels, half the map."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.act = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(inputs, inputs // 2, 1, bias=False)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, inputs / 2, H / 2, W / 2]."""
        y_NCHW = self.conv(self.act(self.norm(x_NCHW)))
        return F.avg_pool2d(y_NCHW, [min(2, side) for side in y_NCHW.shape[2:]])


class DenseNet3D(nn.Module):
    """Four dense blocks whose 3x3x3 convolutions see a frame's two neighbours in the same clip."""

    def __init__(self, blocks: tuple[int, ...] = BLOCKS) -> None:
        super().__init__()
        self.stem_channels = channels = STEM_CHANNELS
        self.blocks = nn.ModuleList()
        self.transitions = nn.ModuleList()
        for place, layers in enumerate(blocks):
            if place > 0:
                self.transitions.append(Transition(channels))
                channels //= 2
            inputs = range(channels, channels + layers * GROWTH, GROWTH)
            self.blocks.append(nn.ModuleList(DenseLayer(width) for width in inputs))
            channels += layers * GROWTH
        self.norm = nn.BatchNorm2d(channels)
        self.features = channels * MAP_SIDE**2

    def forward(self, maps_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """[N, 64, H, W] -> [N, features]."""
        first_N = mark_first_frames(valid, frames=maps_NCHW.shape[0])
        for place, block in enumerate(self.blocks):
            if place > 0:
                maps_NCHW = self.transitions[place - 1](maps_NCHW)
            for layer in block.children():
                maps_NCHW = layer(maps_NCHW, first_N)
        return F.adaptive_avg_pool2d(self.norm(maps_NCHW), MAP_SIDE).flatten(1)


def mark_first_frames(valid: ValidFrames, *, frames: int) -> Tensor:
    """[N] true at each clip's first frame in the packed layout of `frames` rows."""
    lengths_B = valid.lengths_B.long()
    first_N = torch.zeros(frames, dtype=torch.bool, device=lengths_B.device)
    return first_N.index_fill(0, lengths_B.cumsum(0) - lengths_B, True)
