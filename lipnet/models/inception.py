"""Inception-v4 (Szegedy et al., AAAI 2017, arXiv 1602.07261, Figures 3 to 9), without its stem.

Each convolution has BatchNorm (eps 1e-3) and ReLU after it. A choice: padding by (kernel - 1) / 2
in the reductions too, because maps of the front end would be left with one pixel without it.
"""
# N valid frames of the whole batch, or clips  C channels  H W pixels

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lipnet.models.packing import ValidFrames
from lipnet.models.resnet import scale_channels

STEM_CHANNELS = 64
EPS = 1e-3
# A block is its branches, whose outputs are concatenated; a branch is its layers; a last layer in
# brackets is two layers side by side. "7" is the long side of a kernel, and "/" stands for the
# stride of a reduction.
STEM_END = (
    ("1x1 64, 3x3 96", "1x1 64, 1x7 64, 7x1 64, 3x3 96"),
    ("3x3 192 /", "max /"),
)
BLOCK_A = ("1x1 96", "1x1 64, 3x3 96", "1x1 64, 3x3 96, 3x3 96", "avg, 1x1 96")
REDUCTION_A = ("3x3 384 /", "1x1 192, 3x3 224, 3x3 256 /", "max /")
BLOCK_B = (
    "1x1 384",
    "1x1 192, 1x7 224, 7x1 256",
    "1x1 192, 7x1 192, 1x7 224, 7x1 224, 1x7 256",
    "avg, 1x1 128",
)
REDUCTION_B = ("1x1 192, 3x3 192 /", "1x1 256, 1x7 256, 7x1 320, 3x3 320 /", "max /")
BLOCK_C = (
    "1x1 256",
    "1x1 384, (1x3 256 | 3x1 256)",
    "1x1 384, 3x1 448, 1x3 512, (1x3 256 | 3x1 256)",
    "avg, 1x1 256",
)
TOWER_STEM = (
    *(("3x3 8 /",), ("3x3 8",), ("3x3 16",)),
    ("max /", "3x3 24 /"),
    ("1x3 16, 3x3 24", "1x3 16, 1x7 16, 7x1 16, 3x3 24"),
)
TOWER_FRAMES = 29
_LAYER = re.compile(r"(\d)x(\d) (\d+)( /)?")


class Branches(nn.Module):
    """Layers side by side on the same maps; their outputs are concatenated."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, sum of outputs, H', W']."""
        return torch.cat([branch(maps_NCHW) for branch in self.branches], 1)


class BlockMaker:
    """Builds blocks one after the other and keeps count of the channels.

    `taps`: the long side of the factorised kernels; `stride`: of the reductions; `bias`: whether
    convolutions have one in spite of the BatchNorm.
    """

    def __init__(
        self, channels: int, width: float, *, taps: int = 7, stride: int = 2, bias: bool = False
    ) -> None:
        self.channels = channels
        self._width, self._taps, self._stride, self._bias = width, taps, stride, bias

    def make(self, *blocks: Sequence[str]) -> nn.Sequential:
        """The blocks in order; `channels` then is the channels of the last one's output."""
        return nn.Sequential(*map(self._make_block, blocks))

    def _make_block(self, branches: Sequence[str]) -> nn.Module:
        made = [self._make_branch(branch, self.channels) for branch in branches]
        self.channels = sum(outputs for _, outputs in made)
        return Branches([layers for layers, _ in made])

    def _make_branch(self, branch: str, channels: int) -> tuple[nn.Module, int]:
        branch, _, fork = branch.partition(", (")
        layers = nn.Sequential()
        for text in branch.split(", "):
            layer, channels = self._make_layer(text, channels)
            layers.append(layer)
        if fork:
            sides = [self._make_layer(text, channels) for text in fork.strip(")").split(" | ")]
            layers.append(Branches([side for side, _ in sides]))
            channels = sum(outputs for _, outputs in sides)
        return layers, channels

    def _make_layer(self, text: str, channels: int) -> tuple[nn.Module, int]:
        if text == "avg":
            return nn.AvgPool2d(3, 1, 1, count_include_pad=False), channels
        if text == "max /":
            return nn.MaxPool2d(3, self._stride, 1), channels
        match = _LAYER.fullmatch(text)
        assert match is not None, text
        high, wide = (self._taps if side == "7" else int(side) for side in match.group(1, 2))
        outputs = scale_channels(int(match[3]), self._width)
        conv = nn.Conv2d(
            channels,
            outputs,
            (high, wide),
            self._stride if match[4] else 1,
            (high // 2, wide // 2),
            bias=self._bias,
        )
        act = nn.ReLU(inplace=True)
        return nn.Sequential(conv, nn.BatchNorm2d(outputs, eps=EPS), act), outputs


class InceptionV4(nn.Module):
    """The blocks behind the first convolutions of the published stem, then the mean over the map.

    Its activation is ReLU, in models with other activations too. `stem_channels` of the published
    network are 160.
    """

    def __init__(self, width: float, *, stem_channels: int = STEM_CHANNELS) -> None:
        super().__init__()
        self.stem_channels = stem_channels
        maker = BlockMaker(stem_channels, width)
        self.stem = maker.make(*STEM_END)
        self.blocks = maker.make(
            *([BLOCK_A] * 4),
            REDUCTION_A,
            *([BLOCK_B] * 7),
            REDUCTION_B,
            *([BLOCK_C] * 3),
        )
        self.features = maker.channels

    def forward(self, maps_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """[N, stem, H, W] -> [N, features]."""
        out_NCHW: Tensor = self.blocks(self.stem(maps_NCHW))
        return out_NCHW.mean((2, 3))


class InceptionTowers(nn.Module):
    """The multiple towers of a public lipreading project (github.com/khazit/Lip2Word): a small stem
    on each frame, a 1x1 convolution over the maps of all frames, and blocks of half the width.

    Known from it: 5 taps, reductions of stride 1, biases, the numbers of blocks, dropout. A choice:
    padded convolutions in the stem.
    """

    def __init__(self, width: float, *, frames: int = TOWER_FRAMES) -> None:
        super().__init__()
        maker = BlockMaker(1, width, taps=5, bias=True)
        self.stem = maker.make(*TOWER_STEM)
        joined = BlockMaker(frames * maker.channels, width, bias=True)
        self.join = joined.make(("1x1 192",))
        blocks = BlockMaker(joined.channels, width / 2, taps=5, stride=1, bias=True)
        self.blocks = blocks.make(
            *([BLOCK_A] * 4), REDUCTION_A, *([BLOCK_B] * 5), REDUCTION_B, *([BLOCK_C] * 3)
        )
        self.dropout = nn.Dropout(0.2)
        self.features = blocks.channels

    def forward(self, clips_BTHW: Tensor, valid: ValidFrames) -> Tensor:
        """[B, T, H, W] -> [B, features]."""
        maps_NCHW = self.stem(clips_BTHW.flatten(0, 1).unsqueeze(1))
        stacked_BCHW = maps_NCHW.reshape(len(clips_BTHW), -1, *maps_NCHW.shape[2:])
        joined_BCHW = self.join(stacked_BCHW)
        out_BC: Tensor = self.dropout(self.blocks(joined_BCHW).mean((2, 3)))
        return out_BC
