"""VGG-M on a whole clip: early fusion and multiple towers, in two and in three dimensions.

Chung and Zisserman, "Lip reading in the wild", ACCV 2016, on the layers of VGG-M (Chatfield et al.,
arXiv 1405.3531). Known: which frames are joined where, from conv2 on VGG-M, BatchNorm and no
dropout. Our reading: 3x3 kernels throughout for crops of 112 pixels, 48 filters in a tower and a
1x1 convolution behind the towers (as in a public implementation), 3x3x3 kernels and half of the
time after each pooling in three dimensions. 29 frames, as LRW's clips have; theirs are 25.
"""
# B batch  T frames  C channels  H W pixels

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from lipnet.models.fixed_frames import pool_maps
from lipnet.models.packing import ValidFrames
from lipnet.models.resnet import scale_channels

FRAMES = 29
MAP_SIDE = 4  # of the last map, for 88 pixels; maps of other inputs are averaged to it
FIRST, TOWER, CHANNELS, HIDDEN = 96, 48, (256, 512, 512, 512), 4096
POOL = 3


@dataclass(frozen=True)
class Fusion:
    """Where frames are joined: `towers` see one frame each; `volumes` are kept to the last map."""

    towers: bool
    volumes: bool = False


FUSIONS = {
    "vggm_ef": Fusion(towers=False),
    "vggm_mt": Fusion(towers=True),
    "vggm_ef3": Fusion(towers=False, volumes=True),
    "vggm_mt3": Fusion(towers=True, volumes=True),
}


class VggM(nn.Module):
    """A clip's frames -> one vector.

    `width` scales channels and hidden units. `map_side` of the published input of 111 pixels is 6.
    """

    def __init__(
        self, name: str, width: float, *, frames: int = FRAMES, map_side: int = MAP_SIDE
    ) -> None:
        super().__init__()
        fusion = FUSIONS[name]
        self._volumes, self._map_side = fusion.volumes, map_side
        self.first = _build_first(fusion, frames, width)
        channels = scale_channels(TOWER if fusion.volumes else FIRST, width)
        self.layers = nn.ModuleList()
        for place, plain in enumerate(CHANNELS):
            outputs, stride = scale_channels(plain, width), 2 if place == 0 else 1
            self.layers.append(_convolve(channels, outputs, stride, volumes=fusion.volumes))
            channels = outputs
        self.features = scale_channels(HIDDEN, width)
        self._times = frames // 2**3 if fusion.volumes else 1  # of the last map
        inputs = channels * self._times * map_side**2
        self.hidden = nn.Sequential(*_connect(inputs, self.features), *_connect(self.features))

    def forward(self, clips_BTHW: Tensor, valid: ValidFrames) -> Tensor:
        """[B, T, H, W] -> [B, features]."""
        maps = self.first(clips_BTHW)
        for place, layer in enumerate(self.layers):
            maps = layer(maps)
            if place in (0, len(self.layers) - 1):
                maps = _pool(maps)
        side = self._map_side
        if self._volumes:
            maps = F.adaptive_avg_pool3d(maps, (self._times, side, side))
        else:
            maps = F.adaptive_avg_pool2d(maps, side)
        out_BC: Tensor = self.hidden(maps.flatten(1))
        return out_BC


class EarlyFusion(nn.Module):
    """The frames are the channels of one image, or with `volumes` the depth of one volume."""

    def __init__(self, frames: int, outputs: int, *, volumes: bool) -> None:
        super().__init__()
        self._volumes = volumes
        self.conv = _convolve(1 if volumes else frames, outputs, 1, volumes=volumes, valid=True)

    def forward(self, clips_BTHW: Tensor) -> Tensor:
        """[B, T, H, W] -> [B, outputs, H / 2, W / 2], with `volumes` [B, outputs, T / 2, ...]."""
        return _pool(self.conv(clips_BTHW.unsqueeze(1) if self._volumes else clips_BTHW))


class Towers(nn.Module):
    """One convolution of each frame, with weights that the frames share, and a 1x1 convolution over
    the maps of all frames; with `volumes` the maps stay apart in time."""

    def __init__(self, frames: int, channels: int, outputs: int, *, volumes: bool) -> None:
        super().__init__()
        self.tower = _convolve(1, channels, 1, volumes=False, valid=True)
        self.join = None if volumes else _convolve(frames * channels, outputs, 1, kernel=1)

    def forward(self, clips_BTHW: Tensor) -> Tensor:
        """[B, T, H, W] -> [B, outputs, H / 2, W / 2], with `volumes` [B, channels, T / 2, ...]."""
        clips, frames = clips_BTHW.shape[:2]
        maps = self.tower(clips_BTHW.flatten(0, 1).unsqueeze(1))
        if self.join is None:
            return _pool(maps.reshape(clips, frames, *maps.shape[1:]).transpose(1, 2))
        pooled = pool_maps(maps, POOL)
        stacked_BCHW = pooled.reshape(clips, -1, *pooled.shape[2:])
        joined_BCHW: Tensor = self.join(stacked_BCHW)
        return joined_BCHW


def _build_first(fusion: Fusion, frames: int, width: float) -> nn.Module:
    first, tower = scale_channels(FIRST, width), scale_channels(TOWER, width)
    if fusion.towers:
        return Towers(frames, tower, first, volumes=fusion.volumes)
    return EarlyFusion(frames, tower if fusion.volumes else first, volumes=fusion.volumes)


def _convolve(
    inputs: int,
    outputs: int,
    stride: int,
    *,
    volumes: bool = False,
    valid: bool = False,
    kernel: int = 3,
) -> nn.Sequential:
    """Convolution with bias, BatchNorm, ReLU; `valid`: without padding in space."""
    space = 0 if valid else kernel // 2
    act = nn.ReLU(inplace=True)
    if volumes:
        conv = nn.Conv3d(inputs, outputs, kernel, (1, stride, stride), (kernel // 2, space, space))
        return nn.Sequential(conv, nn.BatchNorm3d(outputs), act)
    flat = nn.Conv2d(inputs, outputs, kernel, stride, space)
    return nn.Sequential(flat, nn.BatchNorm2d(outputs), act)


def _connect(inputs: int, outputs: int = 0) -> tuple[nn.Module, ...]:
    outputs = outputs or inputs
    return nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU(inplace=True)


def _pool(maps: Tensor) -> Tensor:
    """3x3 with stride 2; volumes also lose half of their time."""
    pooled = pool_maps(maps, POOL)
    return F.max_pool3d(pooled, (2, 1, 1)) if maps.dim() == 5 else pooled
