"""Multi-scale dense networks (Huang et al., ICLR 2018, arXiv 1703.09844): maps of several scales
side by side, dense connections within a scale and from the finer one, exits at several depths.

Published sizes: CIFAR (three scales, growth 6, an exit after 4 layers and then after every 2) and
ImageNet (four scales, growth 16, five exits, one after every 4 layers). As a trunk it is that of
CIFAR behind the front end, with its last exit alone unless the spec has `exits`.
"""
# N valid frames of the whole batch  C channels  H W pixels

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lipnet.models.blocks import convolve
from lipnet.models.exits import compute_stages
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


class Spread(nn.Module):
    """From the maps of the finest scale to those of every scale."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        widths = [layout.channels * factor for factor in layout.factors]
        self.layers = nn.ModuleList(
            convolve(*pair, 3, stride=2, act=nn.ReLU(inplace=True))
            for pair in zip(widths, widths[1:], strict=False)
        )

    def forward(self, maps_NCHW: Tensor) -> list[Tensor]:
        """[N, layout.channels, H, W] -> the maps of the scales from the finest to the coarsest."""
        scales = [maps_NCHW]
        for layer in self.layers:
            scales.append(layer(scales[-1]))
        return scales


class MapExit(nn.Sequential):
    """An exit in front of its linear layer: two convolutions of the coarsest map, and the mean."""

    def __init__(self, inputs: int, layout: Layout) -> None:
        channels = layout.exit_channels or inputs
        super().__init__(
            convolve(inputs, channels, 3, stride=2, act=nn.ReLU(inplace=True)),
            convolve(channels, channels, 3, stride=2, act=nn.ReLU(inplace=True)),
        )
        self.features = channels

    def forward(self, scales: list[Tensor]) -> Tensor:
        """The maps of the scales -> [N, features]."""
        out_NCHW = scales[-1]
        for layer in self:
            out_NCHW = layer(out_NCHW)
        return out_NCHW.mean((2, 3))


def build_stages(layout: Layout) -> tuple[nn.ModuleList, list[MapExit]]:
    """The layers from one exit to the next, the first with the Spread in front, and the exits.

    The first stage takes the maps of the finest scale, the others what the one before gives.
    """
    stages, exits = nn.ModuleList(), []
    channels, done = layout.channels, 0
    for last in layout.exits:
        stage = nn.Sequential() if done else nn.Sequential(Spread(layout))
        for layer in range(done, last):
            channels = _add_layer(stage, layout, layer, channels)
        stages.append(stage)
        exits.append(MapExit(channels * layout.factors[-1], layout))
        done = last
    return stages, exits


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


class MSDNet(nn.Module):
    """The network of CIFAR up to its last exit, or up to the one after `stages`.

    Its activation is ReLU, in models with other activations too.
    """

    def __init__(self, layout: Layout = CIFAR, *, stages: int | None = None) -> None:
        super().__init__()
        self.stem_channels = layout.channels
        every, exits = build_stages(layout)
        self.stages = every[:stages]
        end = exits[len(self.stages) - 1]
        self.exit: nn.Module = end
        self.features = end.features

    def forward(self, maps_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """[N, stem, H, W] -> [N, features]."""
        features_NC: Tensor = self.exit(compute_stages(self.stages, maps_NCHW))
        return features_NC


def _add_layer(stage: nn.Sequential, layout: Layout, layer: int, channels: int) -> int:
    """Append a layer, and a transition if it leaves out the finest scale; the channels after it."""
    before, after = (max(0, number) // layout.interval for number in (layer - 1, layer))
    narrows = after > before
    scales = layout.factors[before:]
    stage.append(ScaleLayer(channels, layout.growth, scales, narrows=narrows))
    channels += layout.growth
    if narrows:
        reduced = math.floor(REDUCTION * channels)
        stage.append(Transition(channels, reduced, layout.factors[after:]))
        channels = reduced
    return channels


def _bottleneck(inputs: int, outputs: int, factor: int, *, stride: int = 1) -> nn.Sequential:
    inner = min(inputs, factor * outputs)
    return nn.Sequential(
        convolve(inputs, inner, act=nn.ReLU(inplace=True)),
        convolve(inner, outputs, 3, stride=stride, act=nn.ReLU(inplace=True)),
    )
