"""The ShuffleNet v1 trunk of three groups (Zhang et al., CVPR 2018, Table 1), from its second
stage on."""
# N valid frames of the whole batch  C channels  H W pixels

import torch
from torch import Tensor, nn

from lipnet.models.blocks import convolve
from lipnet.models.packing import ValidFrames

GROUPS = 3
# By width; those with which the published multiply-adds (13, 38, 137, 292, 524 million) come out.
STEM_CHANNELS = {0.25: 12, 0.5: 12, 1.0: 24, 1.5: 24, 2.0: 48}
STAGES = ((240, 4), (480, 8), (960, 4))  # channels, units
BOTTLENECK = 4  # a unit's channels over those between its 1x1 convolutions


class ChannelShuffle(nn.Module):
    """The first channel of every group, then the second of every group, ...; channels last."""

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape."""
        maps_NHWC = maps_NCHW.movedim(1, 3)
        groups_NHWGC = maps_NHWC.reshape(*maps_NHWC.shape[:3], GROUPS, -1)
        return groups_NHWGC.transpose(3, 4).flatten(3).movedim(3, 1)


class Unit(nn.Module):
    """Grouped 1x1, shuffle, 3x3 depthwise, grouped 1x1; added to the input, or with stride 2
    concatenated to its average."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, groups: int = GROUPS) -> None:
        super().__init__()
        middle = outputs // BOTTLENECK
        convolved = outputs - inputs if stride > 1 else outputs
        self.branch = nn.Sequential(
            convolve(inputs, middle, groups=groups, act=nn.ReLU(inplace=True)),
            ChannelShuffle(),
            convolve(middle, middle, 3, stride=stride, groups=middle),
            convolve(middle, convolved, groups=GROUPS),
        )
        self.pool = nn.AvgPool2d(3, 2, 1) if stride > 1 else None

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H / stride, W / stride]."""
        out_NCHW = self.branch(x_NCHW)
        if self.pool is None:
            return torch.relu(x_NCHW + out_NCHW)
        return torch.relu(torch.cat((self.pool(x_NCHW), out_NCHW), 1))


class ShuffleNetV1(nn.Module):
    """Sixteen units in three stages, the mean over the whole map.

    Its activation is ReLU, in models with other activations too. The first 1x1 convolution has few
    inputs and is not grouped, as published.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        channels = self.stem_channels = STEM_CHANNELS[width]
        self.units = nn.Sequential()
        for plain, units in STAGES:
            outputs = round(plain * width)
            groups = GROUPS if len(self.units) else 1
            self.units.append(Unit(channels, outputs, stride=2, groups=groups))
            for _ in range(units - 1):
                self.units.append(Unit(outputs, outputs, stride=1))
            channels = outputs
        self.features = channels

    def forward(self, maps_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """[N, stem, H, W] -> [N, features]."""
        out_NCHW: Tensor = self.units(maps_NCHW)
        return out_NCHW.mean((2, 3))
