"""The GhostNet trunk (Han et al., CVPR 2020, Table 1), from its first bottleneck on."""
# N valid frames of the whole batch  C channels  H W pixels

import torch
from torch import Tensor, nn

from lipnet.models.blocks import SqueezeExcite, convolve, round_channels
from lipnet.models.packing import ValidFrames

STEM_CHANNELS = 16
LAST_CHANNELS = 960
DIVISOR = 4  # of every number of channels
# Kernel, expanded channels, channels, whether squeeze-excite, stride.
BOTTLENECKS = (
    (3, 16, 16, False, 1),
    (3, 48, 24, False, 2),
    (3, 72, 24, False, 1),
    (5, 72, 40, True, 2),
    (5, 120, 40, True, 1),
    (3, 240, 80, False, 2),
    (3, 200, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 480, 112, True, 1),
    (3, 672, 112, True, 1),
    (5, 672, 160, True, 2),
    (5, 960, 160, False, 1),
    (5, 960, 160, True, 1),
    (5, 960, 160, False, 1),
    (5, 960, 160, True, 1),
)


class GhostModule(nn.Module):
    """A 1x1 convolution to half of the channels, and a 3x3 depthwise one of those for the rest."""

    def __init__(self, inputs: int, outputs: int, *, activated: bool) -> None:
        super().__init__()
        half = outputs // 2
        self.point = convolve(inputs, half, act=_relu() if activated else None)
        self.ghosts = convolve(half, half, 3, groups=half, act=_relu() if activated else None)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H, W]."""
        half_NCHW = self.point(x_NCHW)
        return torch.cat((half_NCHW, self.ghosts(half_NCHW)), 1)


class GhostBottleneck(nn.Module):
    """Two ghost modules around the expanded channels, plus the input."""

    def __init__(
        self, inputs: int, wide: int, outputs: int, *, kernel: int, squeeze: bool, stride: int
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(GhostModule(inputs, wide, activated=True))
        if stride > 1:
            self.layers.append(convolve(wide, wide, kernel, stride=stride, groups=wide))
        if squeeze:
            squeezed = round_channels(wide / 4, DIVISOR)
            self.layers.append(SqueezeExcite(wide, squeezed, act=_relu(), gate=nn.Hardsigmoid()))
        self.layers.append(GhostModule(wide, outputs, activated=False))
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                convolve(inputs, inputs, kernel, stride=stride, groups=inputs),
                convolve(inputs, outputs),
            )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H / stride, W / stride]."""
        out_NCHW: Tensor = self.layers(x_NCHW) + self.shortcut(x_NCHW)
        return out_NCHW


class GhostNet(nn.Module):
    """Sixteen bottlenecks, a last 1x1 convolution, the mean over the whole map.

    Its activation is ReLU, in models with other activations too. The 1x1 convolution to 1280 that
    the published network has after the mean belongs to its classifier and is left out.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        channels = self.stem_channels = round_channels(STEM_CHANNELS * width, DIVISOR)
        self.features = round_channels(LAST_CHANNELS * width, DIVISOR)
        self.blocks = nn.Sequential()
        for kernel, expanded, plain, squeeze, stride in BOTTLENECKS:
            wide, outputs = (round_channels(each * width, DIVISOR) for each in (expanded, plain))
            self.blocks.append(
                GhostBottleneck(
                    channels, wide, outputs, kernel=kernel, squeeze=squeeze, stride=stride
                )
            )
            channels = outputs
        self.last = convolve(channels, self.features, act=_relu())

    def forward(self, maps_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """[N, stem, H, W] -> [N, features]."""
        out_NCHW: Tensor = self.last(self.blocks(maps_NCHW))
        return out_NCHW.mean((2, 3))


def _relu() -> nn.Module:
    return nn.ReLU(inplace=True)
