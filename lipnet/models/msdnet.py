"""Multi-scale dense networks (Huang et al., ICLR 2018, arXiv 1703.09844): maps of several scales
side by side, dense connections within a scale and from the finer one, exits at several depths.

Published sizes: CIFAR (three scales, growth 6, an exit after 4 layers and then after every 2) and
ImageNet (four scales, growth 16, five exits, one after every 4 layers). As a trunk it is that of
CIFAR behind the front end, with its last exit alone: a choice, because the front end is most of a
small model's cost and no exit leaves it out.
"""
# N valid frames of the whole batch  C channels  H W pixels

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lipnet.models.blocks import convolve
from lipnet.models.packing import ValidFrames

REDUCTION = 0.5  # of the channels when the finest scale is left out
EXIT_CHANNELS = 128  # between the layers of an exit, on CIFAR


@dataclass(frozen=True)
class Layout:
    """`factors`: of channels, growth and bottlenecks at each scale. `exits`: layers before each."""

    channels: int
    growth: int
    factors: tuple[int, ...]
    exits: tuple[int, ...]
    exit_channels: int | None = None  # None: those of the map

    @property
    def interval(self) -> int:
        """Layers after which the finest scale is left out."""
        return math.ceil(self.exits[-1] / len(self.factors))


CIFAR = Layout(16, 6, (1, 2, 4), tuple(range(4, 17, 2)), EXIT_CHANNELS)
IMAGENET = Layout(32, 16, (1, 2, 4, 4), tuple(range(4, 21, 4)))


class MultiScale(nn.Module):
    """Blocks of layers from one exit to the next. From maps of the finest scale to one map of the
    coarsest scale per exit."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        widths = [layout.channels * factor for factor in layout.factors]
        self.first = nn.ModuleList(
            convolve(*pair, 3, stride=2, act=nn.ReLU(inplace=True))
            for pair in zip(widths, widths[1:], strict=False)
        )
        self.blocks = nn.ModuleList()
        self.outputs: list[int] = []  # channels of each exit's map
        channels, done = layout.channels, 0
        for last in layout.exits:
            block = nn.Sequential()
            for layer in range(done, last):
                channels = _add_layer(block, layout, layer, channels)
            self.blocks.append(block)
            self.outputs.append(channels * layout.factors[-1])
            done = last

    def spread(self, maps_NCHW: Tensor) -> list[Tensor]:
        """The maps of the finest scale -> those of every scale."""
        scales = [maps_NCHW]
        for layer in self.first:
            scales.append(layer(scales[-1]))
        return scales

    def forward(self, maps_NCHW: Tensor) -> list[Tensor]:
        """[N, layout.channels, H, W] -> the coarsest maps at each exit."""
        scales, found = self.spread(maps_NCHW), []
        for block in self.blocks:
            scales = block(scales)
            found.append(scales[-1])
        return found


class ScaleLayer(nn.Module):
    """New maps of each scale from its own maps and from those of the finer scale, added to its own.

    `scales` are the factors of the incoming scales; with `narrows` the finest of them ends here.
    """

    def __init__(
        self, channels: int, growth: int, scales: tuple[int, ...], *, narrows: bool
    ) -> None:
        super().__init__()
        self._first = int(narrows)
        self.own, self.finer = nn.ModuleList(), nn.ModuleList()
        for place in range(self._first, len(scales)):
            factor, both = scales[place], place > 0
            outputs = growth * factor // (2 if both else 1)
            self.own.append(_bottleneck(channels * factor, outputs, factor))
            if both:
                above = scales[place - 1]
                self.finer.append(_bottleneck(channels * above, outputs, above, stride=2))

    def forward(self, scales: list[Tensor]) -> list[Tensor]:
        """The maps of the scales from the finest to the coarsest."""
        made, finer = [], iter(self.finer)
        for place, own in enumerate(self.own, self._first):
            parts = [scales[place]]
            if place > 0:
                parts.append(next(finer)(scales[place - 1]))
            made.append(torch.cat((*parts, own(scales[place])), 1))
        return made


class Transition(nn.Module):
    """Fewer channels at each scale."""

    def __init__(self, inputs: int, outputs: int, scales: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            convolve(inputs * factor, outputs * factor, act=nn.ReLU(inplace=True))
            for factor in scales
        )

    def forward(self, scales: list[Tensor]) -> list[Tensor]:
        """The maps of each scale."""
        return [layer(maps) for layer, maps in zip(self.layers, scales, strict=True)]


def build_exit(inputs: int, layout: Layout) -> nn.Sequential:
    """What is in front of an exit's pooling and linear layer."""
    channels = layout.exit_channels or inputs
    return nn.Sequential(
        convolve(inputs, channels, 3, stride=2, act=nn.ReLU(inplace=True)),
        convolve(channels, channels, 3, stride=2, act=nn.ReLU(inplace=True)),
    )


class MSDNet(nn.Module):
    """The network of CIFAR up to its last exit, then the mean over the map.

    Its activation is ReLU, in models with other activations too.
    """

    def __init__(self, layout: Layout = CIFAR) -> None:
        super().__init__()
        self.stem_channels = layout.channels
        self.scales = MultiScale(layout)
        self.exit = build_exit(self.scales.outputs[-1], layout)
        self.features = layout.exit_channels or self.scales.outputs[-1]

    def forward(self, maps_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """[N, stem, H, W] -> [N, features]."""
        out_NCHW: Tensor = self.exit(self.scales(maps_NCHW)[-1])
        return out_NCHW.mean((2, 3))


def _add_layer(block: nn.Sequential, layout: Layout, layer: int, channels: int) -> int:
    """Append a layer, and a transition if it leaves out the finest scale; the channels after it."""
    before, after = (max(0, number) // layout.interval for number in (layer - 1, layer))
    narrows = after > before
    scales = layout.factors[before:]
    block.append(ScaleLayer(channels, layout.growth, scales, narrows=narrows))
    channels += layout.growth
    if narrows:
        reduced = math.floor(REDUCTION * channels)
        block.append(Transition(channels, reduced, layout.factors[after:]))
        channels = reduced
    return channels


def _bottleneck(inputs: int, outputs: int, factor: int, *, stride: int = 1) -> nn.Sequential:
    inner = min(inputs, factor * outputs)
    return nn.Sequential(
        convolve(inputs, inner, act=nn.ReLU(inplace=True)),
        convolve(inner, outputs, 3, stride=stride, act=nn.ReLU(inplace=True)),
    )
