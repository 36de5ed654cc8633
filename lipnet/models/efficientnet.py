"""The EfficientNet-B0 trunk (Tan and Le, ICML 2019, Table 1), from its first MBConv block on."""
# N valid frames of the whole batch  C channels  H W pixels

import torch.nn.functional as F
from torch import Tensor, nn

from lipnet.models.blocks import SqueezeExcite, convolve, round_channels
from lipnet.models.packing import ValidFrames

STEM_CHANNELS = 32
LAST_CHANNELS = 1280
DIVISOR = 8  # of channels at other widths
SQUEEZE = 4  # a block's input channels over those between the two layers of its gates
DROP_RATE = 0.2  # of stochastic depth, reached after the last block
# Expansion, kernel, stride of the first block, channels, blocks.
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


class StochasticDepth(nn.Module):
    """In training, drops the whole map of a frame at `rate`, and scales the others to make up for
    it (Huang et al., ECCV 2016); otherwise changes nothing."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape; one draw per frame."""
        if not self.training or self.rate == 0:
            return maps_NCHW
        return maps_NCHW * F.dropout(maps_NCHW.new_ones(len(maps_NCHW), 1, 1, 1), self.rate)


class MBConv(nn.Module):
    """An inverted residual with squeeze-excite after its depthwise convolution."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        expansion: int,
        kernel: int,
        stride: int,
        drop_rate: float,
    ) -> None:
        super().__init__()
        self.residual = stride == 1 and inputs == outputs
        wide = inputs * expansion
        self.layers = nn.Sequential()
        if expansion > 1:
            self.layers.append(convolve(inputs, wide, act=nn.SiLU()))
        self.layers.extend(
            (
                convolve(wide, wide, kernel, stride=stride, groups=wide, act=nn.SiLU()),
                SqueezeExcite(wide, inputs // SQUEEZE, act=nn.SiLU(), gate=nn.Sigmoid()),
                convolve(wide, outputs),
            )
        )
        self.drop = StochasticDepth(drop_rate)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H / stride, W / stride]."""
        out_NCHW: Tensor = self.layers(x_NCHW)
        return x_NCHW + self.drop(out_NCHW) if self.residual else out_NCHW


class EfficientNetB0(nn.Module):
    """Sixteen MBConv blocks, a last 1x1 convolution, the mean over the whole map.

    `width` scales every channel count to a multiple of 8, as between the published B0 to B7. Its
    activation is SiLU, in models with other activations too.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        channels = self.stem_channels = round_channels(STEM_CHANNELS * width, DIVISOR)
        self.features = round_channels(LAST_CHANNELS * width, DIVISOR)
        self.blocks = nn.Sequential()
        depth = sum(blocks for *_, blocks in STAGES)
        for expansion, kernel, first_stride, plain, blocks in STAGES:
            outputs = round_channels(plain * width, DIVISOR)
            for block in range(blocks):
                self.blocks.append(
                    MBConv(
                        channels,
                        outputs,
                        expansion=expansion,
                        kernel=kernel,
                        stride=first_stride if block == 0 else 1,
                        drop_rate=DROP_RATE * len(self.blocks) / depth,
                    )
                )
                channels = outputs
        self.last = convolve(channels, self.features, act=nn.SiLU())

    def forward(self, maps_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """[N, stem, H, W] -> [N, features]."""
        out_NCHW: Tensor = self.last(self.blocks(maps_NCHW))
        return out_NCHW.mean((2, 3))
