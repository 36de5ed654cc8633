"""The ShuffleNet V2 trunks (Ma et al., ECCV 2018), from their second stage on."""
# N valid frames of the whole batch  C channels  H W pixels

import torch
from torch import Tensor, nn

from lipnet.models.packing import ValidFrames

STEM_CHANNELS = 24  # from the front end, which replaces ShuffleNet's own stem
UNITS = (4, 8, 4)
CHANNELS = {
    0.5: (48, 96, 192),
    1.0: (116, 232, 464),
    1.5: (176, 352, 704),
    2.0: (244, 488, 976),
}
FEATURES = {0.5: 1024, 1.0: 1024, 1.5: 1024, 2.0: 2048}
Groups = tuple[Tensor, ...]  # the channels of one map in order, as one tensor or as two halves


def interleave(left_NCHW: Tensor, right_NCHW: Tensor) -> Tensor:
    """The channel shuffle of two groups: left 0, right 0, left 1, right 1, ...; channels last."""
    if torch.compiler.is_exporting():  # without transposes, which a runtime would have to compute
        return torch.stack((left_NCHW, right_NCHW), 2).flatten(1, 2)
    pair = left_NCHW.movedim(1, 3), right_NCHW.movedim(1, 3)
    if _pairs_are_complex(left_NCHW):
        mixed_NHWC2 = torch.view_as_real(torch.complex(*pair))
    else:
        mixed_NHWC2 = torch.stack(pair, -1)
    return mixed_NHWC2.flatten(3).movedim(3, 1)


def _pairs_are_complex(maps_NCHW: Tensor) -> bool:
    """Whether torch can pair numbers as complex ones: the same bytes as stacking, three times as
    fast on a CPU."""
    wide = maps_NCHW.dtype in (torch.float32, torch.float64)
    return wide and maps_NCHW.device.type == "cpu" and not torch.compiler.is_compiling()


def shuffle(left_NCHW: Tensor, right_NCHW: Tensor) -> Groups:
    """The first and the second half of the shuffled channels, as two tensors."""
    (left1, left2), (right1, right2) = left_NCHW.chunk(2, 1), right_NCHW.chunk(2, 1)
    return interleave(left1, right1), interleave(left2, right2)


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
    """Half of the channels pass unchanged, half are convolved, then both are shuffled."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            *point_conv(half, half), *depth_conv(half, 1), *point_conv(half, half)
        )

    def forward(self, halves: Groups) -> Groups:
        """Two halves [N, C / 2, H, W] -> the same shapes."""
        left_NCHW, right_NCHW = halves
        return shuffle(left_NCHW, self.branch(right_NCHW))


class DownUnit(nn.Module):
    """Both branches use every channel and halve the map; the number of channels grows."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.shortcut = nn.Sequential(*depth_conv(inputs, 2), *point_conv(inputs, half))
        self.branch = nn.Sequential(
            *point_conv(inputs, half), *depth_conv(half, 2), *point_conv(half, half)
        )

    def forward(self, groups: Groups) -> Groups:
        """[N, inputs, H, W] -> two halves [N, outputs / 2, H / 2, W / 2]."""
        x_NCHW = groups[0] if len(groups) == 1 else torch.cat(groups, 1)
        return shuffle(self.shortcut(x_NCHW), self.branch(x_NCHW))


class ShuffleNetV2(nn.Module):
    """Sixteen units in three stages, a last 1x1 convolution, the mean over the whole map.

    Its activation is ReLU in all of the authors' models, also if the rest of the model has another.
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

    def forward(self, maps_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """[N, 24, H, W] -> [N, features]."""
        halves: Groups = self.units((maps_NCHW,))
        out_NCHW: Tensor = self.last(torch.cat(halves, 1))
        return out_NCHW.mean((2, 3))
