"""The MobileNetV1 trunk (Howard et al., 2017, Table 1), from its first depthwise layer on."""
# N valid frames of the whole batch  C channels  H W pixels

from torch import Tensor, nn

from lipnet.models.blocks import convolve, round_channels
from lipnet.models.packing import ValidFrames

STEM_CHANNELS = 32
DIVISOR = 8  # of every number of channels: changes none of the published widths
# Channels, stride.
LAYERS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)


class MobileNetV1(nn.Module):
    """Thirteen pairs of a 3x3 depthwise and a 1x1 convolution, the mean over the whole map.

    Its activation is ReLU, in models with other activations too.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        channels = self.stem_channels = round_channels(STEM_CHANNELS * width, DIVISOR)
        self.layers = nn.Sequential()
        for plain, stride in LAYERS:
            outputs = round_channels(plain * width, DIVISOR)
            self.layers.extend(
                (
                    convolve(channels, channels, 3, stride=stride, groups=channels, act=_relu()),
                    convolve(channels, outputs, act=_relu()),
                )
            )
            channels = outputs
        self.features = channels

    def forward(self, maps_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """[N, stem, H, W] -> [N, features]."""
        out_NCHW: Tensor = self.layers(maps_NCHW)
        return out_NCHW.mean((2, 3))


def _relu() -> nn.Module:
    return nn.ReLU(inplace=True)
