"""The ResNet trunks: 2-D residual networks that turn one frame's maps into one vector."""
# N valid frames of the whole batch  C channels  H W pixels

import torch.nn.functional as F
from torch import Tensor, nn

from lipnet.models.activation import make_activation
from lipnet.models.packing import ValidFrames

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
PLAIN_CHANNELS = (64, 128, 256, 512)
STEM_CHANNELS = 64
MIN_CHANNELS = 8


def scale_channels(channels: int, width: float) -> int:
    """A published channel count times the spec's width, at least eight."""
    return max(MIN_CHANNELS, round(channels * width))


class SparsePointConv(nn.Conv2d):
    """A 1x1 convolution with a stride, as one without on every `stride`-th pixel.

    The backward pass of a strided one in torch 2.13 writes out of bounds on two CPU threads for 8
    channels and an odd number of frames.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__(inputs, outputs, 1, stride, bias=False)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H / stride, W / stride]."""
        rows, columns = self.stride
        return F.conv2d(x_NCHW[:, :, ::rows, ::columns], self.weight, self.bias)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, and the input added to their output (He et al., 2016)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, activation: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.act1 = make_activation(activation, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.act2 = make_activation(activation, outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                SparsePointConv(inputs, outputs, stride=stride), nn.BatchNorm2d(outputs)
            )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H / stride, W / stride]."""
        y_NCHW = self.act1(self.norm1(self.conv1(x_NCHW)))
        y_NCHW = self.norm2(self.conv2(y_NCHW))
        out_NCHW: Tensor = self.act2(y_NCHW + self.shortcut(x_NCHW))
        return out_NCHW


class MapMean(nn.Module):
    """The mean over the whole map, of any size."""

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C]."""
        return maps_NCHW.mean((2, 3))


class ResNet(nn.Module):
    """Four stages of basic blocks, or the first of them, then the mean over the map."""

    def __init__(
        self, name: str, *, width: float, activation: str, stages: int | None = None
    ) -> None:
        super().__init__()
        self.stem_channels = scale_channels(STEM_CHANNELS, width)
        channels = self.stem_channels
        self.stages = nn.ModuleList()
        published = list(zip(PLAIN_CHANNELS, BLOCKS[name], strict=True))
        for stage, (plain, blocks) in enumerate(published[:stages]):
            outputs = scale_channels(plain, width)
            layers = nn.Sequential()
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(BasicBlock(channels, outputs, stride=stride, activation=activation))
                channels = outputs
            self.stages.append(layers)
        self.exit = MapMean()
        self.features = channels

    def forward(self, maps_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """[N, stem, H, W] -> [N, features]."""
        for stage in self.stages:
            maps_NCHW = stage(maps_NCHW)
        features_NC: Tensor = self.exit(maps_NCHW)
        return features_NC
