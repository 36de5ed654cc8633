"""The MobileNetV2 trunk (Sandler et al., CVPR 2018, Table 2), from its first bottleneck on."""
# N valid frames of the whole batch  C channels  H W pixels

from torch import Tensor, nn

from lipnet.models.blocks import convolve, round_channels
from lipnet.models.packing import ValidFrames

STEM_CHANNELS = 32
LAST_CHANNELS = 1280  # also of widths below 1
DIVISOR = 8  # of every number of channels
# Expansion, channels, blocks, stride of the first block.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """1x1 to `expansion` times the channels, 3x3 depthwise, 1x1 without an activation."""

    def __init__(self, inputs: int, outputs: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        self.residual = stride == 1 and inputs == outputs
        wide = inputs * expansion
        self.layers = nn.Sequential()
        if expansion > 1:
            self.layers.append(convolve(inputs, wide, act=nn.ReLU6(inplace=True)))
        act = nn.ReLU6(inplace=True)
        self.layers.append(convolve(wide, wide, 3, stride=stride, groups=wide, act=act))
        self.layers.append(convolve(wide, outputs))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H / stride, W / stride]."""
        out_NCHW: Tensor = self.layers(x_NCHW)
        return x_NCHW + out_NCHW if self.residual else out_NCHW


class MobileNetV2(nn.Module):
    """Seventeen inverted residuals, a last 1x1 convolution, the mean over the whole map.

    Its activation is ReLU6, in models with other activations too.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        channels = self.stem_channels = round_channels(STEM_CHANNELS * width, DIVISOR)
        self.features = round_channels(LAST_CHANNELS * max(1.0, width), DIVISOR)
        self.blocks = nn.Sequential()
        for expansion, plain, blocks, first_stride in STAGES:
            outputs = round_channels(plain * width, DIVISOR)
            for block in range(blocks):
                stride = first_stride if block == 0 else 1
                self.blocks.append(
                    InvertedResidual(channels, outputs, expansion=expansion, stride=stride)
                )
                channels = outputs
        self.last = convolve(channels, self.features, act=nn.ReLU6(inplace=True))

    def forward(self, maps_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """[N, stem, H, W] -> [N, features]."""
        out_NCHW: Tensor = self.last(self.blocks(maps_NCHW))
        return out_NCHW.mean((2, 3))
