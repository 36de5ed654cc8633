"""The baseline: the paper's models in plain PyTorch, with the same weight names as ours.

Written from the paper, independently of lipnet.models: Conv3d front end, contiguous memory, every
frame of the batch computed, the mean over time in a loop over clips. It loads our state dicts, so
that it also serves as a second implementation to check the architecture against.
"""
# B batch  T frames  H W pixels  C channels  K classes

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lipnet.spec import ModelSpec

Activation = Callable[[int], nn.Module]
ACTIVATIONS: dict[str, Activation] = {
    "relu": lambda channels: nn.ReLU(),
    "prelu": lambda channels: nn.PReLU(channels),
    "swish": lambda channels: nn.SiLU(),
}
RESNET_BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
SHUFFLE_CHANNELS = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}
SHUFFLE_UNITS = (4, 8, 4)
HEAD_KERNELS = {"tcn": (3,), "mstcn": (3, 5, 7), "dstcn": (3,), "dsmstcn": (3, 5, 7)}
DILATIONS = (1, 2, 4, 8)


class FrontEnd(nn.Module):
    """Conv3d, BatchNorm3d, activation, MaxPool3d."""

    def __init__(self, channels: int, act: Activation) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, channels, (5, 7, 7), (1, 2, 2), (2, 3, 3), bias=False)
        self.norm = nn.BatchNorm3d(channels)
        self.act = act(channels)
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))

    def forward(self, frames_BTHW: Tensor) -> Tensor:
        maps: Tensor = self.pool(self.act(self.norm(self.conv(frames_BTHW.unsqueeze(1)))))
        return maps.transpose(1, 2).flatten(0, 1)


class ResBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, act: Activation) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.act1 = act(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.act2 = act(outputs)
        if stride == 1 and inputs == outputs:
            self.shortcut = nn.Sequential()
        else:
            conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(self.act1(self.norm1(self.conv1(x)))))
        out: Tensor = self.act2(y + self.shortcut(x))
        return out


class ResNet(nn.Module):
    """Stages of blocks, then global average pooling."""

    def __init__(self, spec: ModelSpec, act: Activation) -> None:
        super().__init__()
        widths = [max(8, round(channels * spec.width)) for channels in (64, 128, 256, 512)]
        self.stem_channels = inputs = widths[0]
        self.stages = nn.ModuleList()
        for place, (width, blocks) in enumerate(
            zip(widths, RESNET_BLOCKS[spec.backbone], strict=True)
        ):
            first = ResBlock(inputs, width, 1 if place == 0 else 2, act)
            rest = [ResBlock(width, width, 1, act) for _ in range(blocks - 1)]
            self.stages.append(nn.Sequential(first, *rest))
            inputs = width
        self.features = inputs
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        out: Tensor = self.pool(x)
        return out.flatten(1)


def point(inputs: int, outputs: int) -> list[nn.Module]:
    """1x1 convolution, BatchNorm, ReLU."""
    return [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def depthwise(channels: int, stride: int) -> list[nn.Module]:
    """3x3 depthwise convolution, BatchNorm."""
    conv = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
    return [conv, nn.BatchNorm2d(channels)]


def shuffle(x: Tensor) -> Tensor:
    """Channel shuffle of two groups."""
    n, channels, height, width = x.shape
    x = x.view(n, 2, channels // 2, height, width).transpose(1, 2).contiguous()
    return x.view(n, channels, height, width)


class ShuffleUnit(nn.Module):
    """A unit of ShuffleNet V2; with a stride of 2, both branches have convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        half = outputs // 2
        if stride == 2:
            self.shortcut = nn.Sequential(*depthwise(inputs, 2), *point(inputs, half))
        self.stride = stride
        self.branch = nn.Sequential(
            *point(inputs if stride == 2 else half, half),
            *depthwise(half, stride),
            *point(half, half),
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 2:
            left, right = self.shortcut(x), self.branch(x)
        else:
            left, right = x.chunk(2, 1)
            right = self.branch(right)
        return shuffle(torch.cat((left, right), 1))


class ShuffleNet(nn.Module):
    """Three stages of units, a 1x1 convolution, global average pooling."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.stem_channels = inputs = 24
        *widths, self.features = SHUFFLE_CHANNELS[spec.width]
        self.units = nn.Sequential()
        for width, units in zip(widths, SHUFFLE_UNITS, strict=True):
            self.units.append(ShuffleUnit(inputs, width, 2))
            for _ in range(units - 1):
                self.units.append(ShuffleUnit(width, width, 1))
            inputs = width
        self.last = nn.Sequential(*point(inputs, self.features))
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pool(self.last(self.units(x)))
        return out.flatten(1)


class Branch(nn.Module):
    """Dilated convolution, BatchNorm, activation."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, dilation: int, act: Activation
    ) -> None:
        super().__init__()
        extent = (kernel - 1) // 2 * dilation
        self.conv = nn.Conv1d(inputs, outputs, kernel, padding=extent, dilation=dilation)
        self.norm = nn.BatchNorm1d(outputs)
        self.act = act(outputs)

    def forward(self, x_BCT: Tensor) -> Tensor:
        out: Tensor = self.act(self.norm(self.conv(x_BCT)))
        return out


class SeparableBranch(nn.Module):
    """Depthwise dilated convolution, then a pointwise one, each with BatchNorm and activation."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, dilation: int, act: Activation
    ) -> None:
        super().__init__()
        extent = (kernel - 1) // 2 * dilation
        self.depth = nn.Conv1d(
            inputs, inputs, kernel, padding=extent, dilation=dilation, groups=inputs, bias=False
        )
        self.norm1 = nn.BatchNorm1d(inputs)
        self.act1 = act(inputs)
        self.point = nn.Conv1d(inputs, outputs, 1, bias=False)
        self.norm2 = nn.BatchNorm1d(outputs)
        self.act2 = act(outputs)

    def forward(self, x_BCT: Tensor) -> Tensor:
        y_BCT = self.act1(self.norm1(self.depth(x_BCT)))
        out: Tensor = self.act2(self.norm2(self.point(y_BCT)))
        return out


class TemporalLayer(nn.Module):
    """Parallel branches, then dropout."""

    def __init__(
        self, inputs: int, outputs: int, head: str, dilation: int, act: Activation
    ) -> None:
        super().__init__()
        branch = SeparableBranch if head.startswith("ds") else Branch
        kernels = HEAD_KERNELS[head]
        share = outputs // len(kernels)
        self.branches = nn.ModuleList(branch(inputs, share, k, dilation, act) for k in kernels)
        self.dropout = nn.Dropout(0.2)

    def forward(self, x_BCT: Tensor) -> Tensor:
        out: Tensor = self.dropout(torch.cat([branch(x_BCT) for branch in self.branches], 1))
        return out


class TemporalBlock(nn.Module):
    """Two layers with the same dilation, with a residual connection."""

    def __init__(
        self, inputs: int, outputs: int, head: str, dilation: int, act: Activation
    ) -> None:
        super().__init__()
        self.layer1 = TemporalLayer(inputs, outputs, head, dilation, act)
        self.layer2 = TemporalLayer(outputs, outputs, head, dilation, act)
        plain = len(HEAD_KERNELS[head]) == 1 and inputs == outputs
        self.residual = nn.Sequential() if plain else nn.Conv1d(inputs, outputs, 1)
        self.act = act(outputs)

    def forward(self, x_BCT: Tensor) -> Tensor:
        y_BCT = self.layer2(self.layer1(x_BCT))
        out: Tensor = self.act(y_BCT + self.residual(x_BCT))
        return out


class Head(nn.Module):
    """Four blocks."""

    def __init__(self, spec: ModelSpec, inputs: int, act: Activation) -> None:
        super().__init__()
        widths = (inputs, *[spec.head_width] * 3)
        self.blocks = nn.Sequential(
            *(
                TemporalBlock(width, spec.head_width, spec.head, dilation, act)
                for width, dilation in zip(widths, DILATIONS, strict=True)
            )
        )

    def forward(self, x_BCT: Tensor) -> Tensor:
        out: Tensor = self.blocks(x_BCT)
        return out


class PlainLipreader(nn.Module):
    """The whole model; with equal weights, equal to ours on batches without padding."""

    def __init__(self, spec: ModelSpec, n_classes: int) -> None:
        super().__init__()
        act = ACTIVATIONS[spec.activation]
        self.trunk = ShuffleNet(spec) if spec.backbone == "shufflenetv2" else ResNet(spec, act)
        self.frontend = FrontEnd(self.trunk.stem_channels, act)
        self.head = Head(spec, self.trunk.features, act)
        self.classifier = nn.Linear(spec.head_width, n_classes)

    def forward(self, frames_BTHW: Tensor, lengths_B: Tensor) -> Tensor:
        clips, steps = frames_BTHW.shape[:2]
        features_BTC = self.trunk(self.frontend(frames_BTHW)).view(clips, steps, -1)
        out_BCT = self.head(features_BTC.transpose(1, 2))
        means = [out_BCT[row, :, :length].mean(1) for row, length in enumerate(lengths_B.tolist())]
        logits_BK: Tensor = self.classifier(torch.stack(means))
        return logits_BK
