"""The ShuffleNet V2 trunks (Ma et al., ECCV 2018), from their second stage on."""
# N valid frames of the whole batch  C channels  H W pixels

import torch
from torch import Tensor, nn

STEM_CHANNELS = 24  # the front end gives these: ShuffleNet's own stem is dropped
UNITS = (4, 8, 4)
CHANNELS = {
    0.5: (48, 96, 192),
    1.0: (116, 232, 464),
    1.5: (176, 352, 704),
    2.0: (244, 488, 976),
}
FEATURES = {0.5: 1024, 1.0: 1024, 1.5: 1024, 2.0: 2048}


def interleave(left_NCHW: Tensor, right_NCHW: Tensor) -> Tensor:
    """The channel shuffle of two groups: left 0, right 0, left 1, right 1, ..."""
    return torch.stack((left_NCHW, right_NCHW), 2).flatten(1, 2)


def point_conv(inputs: int, outputs: int) -> list[nn.Module]:
    """1x1 convolution, BatchNorm, ReLU."""
    return [
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


def depth_conv(channels: int, stride: int) -> list[nn.Module]:
    """3x3 depthwise convolution, BatchNorm."""
    return [
        nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
    ]


class PlainUnit(nn.Module):
    """Half of the channels pass, half are convolved, then both are shuffled together."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            *point_conv(half, half), *depth_conv(half, 1), *point_conv(half, half)
        )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape."""
        left_NCHW, right_NCHW = x_NCHW.chunk(2, 1)
        return interleave(left_NCHW, self.branch(right_NCHW))


class DownUnit(nn.Module):
    """Both branches see every channel and halve the map; the channel count grows."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.shortcut = nn.Sequential(*depth_conv(inputs, 2), *point_conv(inputs, half))
        self.branch = nn.Sequential(
            *point_conv(inputs, half), *depth_conv(half, 2), *point_conv(half, half)
        )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H / 2, W / 2]."""
        return interleave(self.shortcut(x_NCHW), self.branch(x_NCHW))


class ShuffleNetV2(nn.Module):
    """Sixteen units in three stages, a last 1x1 convolution, the mean over the whole map.

    Its activation is ReLU in every released model, whatever the rest of the model uses.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        self.stem_channels = STEM_CHANNELS
        self.features = FEATURES[width]
        channels = STEM_CHANNELS
        self.units = nn.Sequential()
        for outputs, units in zip(CHANNELS[width], UNITS, strict=True):
            self.units.append(DownUnit(channels, outputs))
            for _ in range(units - 1):
                self.units.append(PlainUnit(outputs))
            channels = outputs
        self.last = nn.Sequential(*point_conv(channels, self.features))

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """[N, 24, H, W] -> [N, features]."""
        out_NCHW: Tensor = self.last(self.units(maps_NCHW))
        return out_NCHW.mean((2, 3))
