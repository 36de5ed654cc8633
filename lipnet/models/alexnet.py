"""The networks of Karpathy et al., "Large-scale video classification with convolutional neural
networks", CVPR 2014: single frame, early, late and slow fusion, and context with fovea.

C(96,11,3)-N-P-C(256,5,1)-N-P-C(384,3,1)-C(384,3,1)-C(256,3,1)-P-FC(4096)-FC(4096), with padding by
(kernel - 1) / 2: the published maps of 7x7 at 170 pixels follow from it. Choices: grey input, and
maps of 3x3, which are those of 88 pixels; maps of other inputs are averaged to them.
"""
# N valid frames, or clips  B clips  T frames  C channels  H W pixels

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipnet.models.fixed_frames import pool_maps
from lipnet.models.packing import ValidFrames
from lipnet.models.resnet import scale_channels

CONVOLUTIONS = ((96, 11, 3), (256, 5, 1), (384, 3, 1), (384, 3, 1), (256, 3, 1))  # as above
HIDDEN = 4096
MAP_SIDE = 3
POOLED = (0, 1, 4)  # convolutions with a pooling after them; the first two also have N
# Slow fusion: frames that each of the first three convolutions sees, and its stride in time.
SLOW = ((4, 2), (2, 2), (2, 1))
FRAMES = {"alexnet_early": 10, "alexnet_late": 16, "alexnet_slow": 10}  # late: 15 frames apart


@dataclass(frozen=True)
class Layout:
    """What the published networks have otherwise: colours, and the side of the last map."""

    colours: int = 1
    map_side: int = MAP_SIDE


GREY = Layout()


class Column(nn.Module):
    """The convolutions; with `slow` over volumes. `pools_last`: with the last pooling."""

    def __init__(
        self, inputs: int, width: float, *, slow: bool = False, pools_last: bool = True
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        for place, (plain, kernel, stride) in enumerate(CONVOLUTIONS):
            outputs = scale_channels(plain, width)
            sizes = (inputs, outputs, kernel, stride)
            self.convs.append(_make_volume(place, *sizes) if slow else _make_flat(*sizes))
            inputs = outputs
        self.normalise = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.5, k=2.0)
        self._pooled = POOLED if pools_last else POOLED[:-1]
        self.channels = inputs

    def forward(self, maps: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, channels, H', W']; with `slow` [N, inputs, T, H, W]."""
        for place, conv in enumerate(self.convs):
            maps = torch.relu(conv(maps))
            if place in POOLED[:2]:
                maps = self.normalise(maps)
            if place in self._pooled:
                maps = pool_maps(maps, 2)
        return maps


class SingleFrame(nn.Module):
    """Every frame alone: a trunk for any head."""

    def __init__(self, width: float, layout: Layout = GREY) -> None:
        super().__init__()
        self.column = Column(layout.colours, width)
        self.hidden = Hidden(self.column.channels, width, layout)
        self.features = self.hidden.features

    def forward(self, maps_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """[N, colours, H, W] -> [N, features]."""
        out_NC: Tensor = self.hidden(self.column(maps_NCHW))
        return out_NC


class ContextFovea(nn.Module):
    """Two columns without the last pooling: the whole frame at half its size, and its middle."""

    def __init__(self, width: float, layout: Layout = GREY) -> None:
        super().__init__()
        self.context = Column(layout.colours, width, pools_last=False)
        self.fovea = Column(layout.colours, width, pools_last=False)
        self.hidden = Hidden(2 * self.context.channels, width, layout)
        self.features = self.hidden.features

    def forward(self, maps_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """[N, colours, H, W] -> [N, features]."""
        height, width = (side // 2 for side in maps_NCHW.shape[2:])
        top, left = (maps_NCHW.shape[2] - height) // 2, (maps_NCHW.shape[3] - width) // 2
        middle_NCHW = maps_NCHW[:, :, top : top + height, left : left + width]
        seen = (self.context(F.avg_pool2d(maps_NCHW, 2)), self.fovea(middle_NCHW))
        out_NC: Tensor = self.hidden(torch.cat(seen, 1))
        return out_NC


class EarlyFusion(nn.Module):
    """The first convolution sees all frames."""

    def __init__(self, width: float, layout: Layout = GREY) -> None:
        super().__init__()
        frames = FRAMES["alexnet_early"]
        self.column = Column(frames * layout.colours, width)
        self.hidden = Hidden(self.column.channels, width, layout)
        self.features = self.hidden.features

    def forward(self, clips_BTHW: Tensor, valid: ValidFrames) -> Tensor:
        """[B, T, H, W] -> [B, features]."""
        out_BC: Tensor = self.hidden(self.column(clips_BTHW))
        return out_BC


class LateFusion(nn.Module):
    """The first and the last frame through one column; their maps are joined."""

    def __init__(self, width: float, layout: Layout = GREY) -> None:
        super().__init__()
        self.column = Column(layout.colours, width)
        self.hidden = Hidden(2 * self.column.channels, width, layout)
        self.features = self.hidden.features

    def forward(self, clips_BTHW: Tensor, valid: ValidFrames) -> Tensor:
        """[B, T, H, W] -> [B, features]."""
        ends_B2HW = clips_BTHW[:, [0, -1]]
        maps_NCHW = self.column(ends_B2HW.flatten(0, 1).unsqueeze(1))
        joined_BCHW = maps_NCHW.reshape(len(clips_BTHW), -1, *maps_NCHW.shape[2:])
        out_BC: Tensor = self.hidden(joined_BCHW)
        return out_BC


class SlowFusion(nn.Module):
    """Ten frames become four, two and one in the first three convolutions."""

    def __init__(self, width: float, layout: Layout = GREY) -> None:
        super().__init__()
        self.column = Column(layout.colours, width, slow=True)
        self.hidden = Hidden(self.column.channels, width, layout)
        self.features = self.hidden.features

    def forward(self, clips_BTHW: Tensor, valid: ValidFrames) -> Tensor:
        """[B, T, H, W] -> [B, features]."""
        maps_BC1HW = self.column(clips_BTHW.unsqueeze(1))
        out_BC: Tensor = self.hidden(maps_BC1HW.squeeze(2))
        return out_BC


class Hidden(nn.Module):
    """The two fully connected layers."""

    def __init__(self, channels: int, width: float, layout: Layout) -> None:
        super().__init__()
        self._map_side = layout.map_side
        self.features = scale_channels(HIDDEN, width)
        self.layers = nn.Sequential(
            nn.Linear(channels * layout.map_side**2, self.features),
            nn.ReLU(inplace=True),
            nn.Linear(self.features, self.features),
            nn.ReLU(inplace=True),
        )

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """[N, channels, H, W] -> [N, features]."""
        averaged_NCHW = F.adaptive_avg_pool2d(maps_NCHW, self._map_side)
        out_NC: Tensor = self.layers(averaged_NCHW.flatten(1))
        return out_NC


CLIP_BODIES: dict[str, Callable[[float], EarlyFusion | LateFusion | SlowFusion]] = {
    "alexnet_early": EarlyFusion,
    "alexnet_late": LateFusion,
    "alexnet_slow": SlowFusion,
}


def _make_flat(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)


def _make_volume(place: int, inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
    frames, step = SLOW[place] if place < len(SLOW) else (1, 1)
    space = kernel // 2
    return nn.Conv3d(
        inputs, outputs, (frames, kernel, kernel), (step, stride, stride), (0, space, space)
    )
