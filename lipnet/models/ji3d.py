"""The 3-D CNN of Ji et al., "3D convolutional neural networks for human action recognition", TPAMI
2013 (ICML 2010), as a trunk: a frame's features come from the seven frames around it.

Published: 33 hardwired maps of 60x40 pixels, the layers C2 to C6, a bias per kernel in C6, 295,458
weights with a linear layer of three classes and no bias. Choices: the image is 60 pixels wide, as
mouths are wide; tanh after each subsampling and after C6; subsampling from the mean.
"""
# B batch  T frames  N valid frames of the whole batch  C channels  H W pixels  K kernels

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipnet.models.motion import compute_planes
from lipnet.models.packing import ValidFrames

HEIGHT, WIDTH = 40, 60
FRAMES_SEEN = 7  # a frame and three neighbours on either side
STILL, FLOW = (3, FRAMES_SEEN), (2, FRAMES_SEEN - 1)  # channels, maps of each: 33 in all
SETS, KERNELS = 2, 3  # of kernels, for each channel in C2 and for each channel and set in C4
FEATURES = 128


class HardwiredWindows(nn.Module):
    """The maps that the network sees of each valid frame; neighbours outside the clip are zeros."""

    def forward(self, frames_BTHW: Tensor, valid: ValidFrames) -> Tensor:
        """[B, T, any height, any width] -> [N, 33, 40, 60], one channel after the other."""
        lengths_B = None
        if valid.index_N is not None:
            lengths_B = valid.lengths_B
            steps_T = torch.arange(valid.steps, device=frames_BTHW.device)
            padding_BT = steps_T >= lengths_B.unsqueeze(1)
            frames_BTHW = frames_BTHW.masked_fill(padding_BT[..., None, None], 0)
        size = (HEIGHT, WIDTH)
        small_BTHW = F.interpolate(frames_BTHW, size=size, mode="bilinear", antialias=True)
        planes = compute_planes(small_BTHW, lengths_B)
        seen = [maps for channels, maps in (STILL, FLOW) for _ in range(channels)]
        windows = [
            _unfold(plane_BTHW)[..., :maps] for plane_BTHW, maps in zip(planes, seen, strict=True)
        ]
        return valid.pack(torch.cat(windows, -1)).movedim(-1, 1)


class Ji3D(nn.Module):
    """C2 to C6, on the still channels and on the flow, which has one map less."""

    def __init__(self) -> None:
        super().__init__()
        self.features = FEATURES
        self.still = Stream(*STILL)
        self.flow = Stream(*FLOW)
        self.c6 = FullConv(self.still.maps + self.flow.maps, FEATURES)

    def forward(self, maps_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """[N, 33, 40, 60] -> [N, 128]."""
        channels, maps = STILL
        still_NCHW, flow_NCHW = maps_NCHW.tensor_split([channels * maps], 1)
        joined_NCHW = torch.cat((self.still(still_NCHW), self.flow(flow_NCHW)), 1)
        return torch.tanh(self.c6(joined_NCHW))


class Stream(nn.Module):
    """C2, S3, C4 and S5 of some channels, which stay apart."""

    def __init__(self, channels: int, maps: int) -> None:
        super().__init__()
        self._channels, wide = channels, channels * SETS
        self.c2 = nn.Conv3d(channels, wide, (3, 7, 7), groups=channels)
        self.s3 = Subsample(wide, maps - 2, 2)
        self.c4 = nn.Conv3d(wide, wide * KERNELS, (3, 6, 7), groups=wide)
        self.s5 = Subsample(wide * KERNELS, maps - 4, 3)
        self.maps = wide * KERNELS * (maps - 4)

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """[N, channels * maps, 40, 60] -> [N, self.maps, 4, 7]."""
        frames, _, height, width = maps_NCHW.shape
        volumes = maps_NCHW.reshape(frames, self._channels, -1, height, width)
        volumes = torch.tanh(self.s3(self.c2(volumes)))
        return torch.tanh(self.s5(self.c4(volumes))).flatten(1, 2)


class Subsample(nn.Module):
    """The mean over squares, times a factor and plus a bias, one of each for every map."""

    def __init__(self, channels: int, maps: int, side: int) -> None:
        super().__init__()
        self._side = side
        self.weight = nn.Parameter(torch.ones(channels, maps, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, maps, 1, 1))

    def forward(self, volumes: Tensor) -> Tensor:
        """[N, channels, maps, H, W] -> [N, channels, maps, H / side, W / side]."""
        pooled = F.avg_pool3d(volumes, (1, self._side, self._side))
        return pooled * self.weight + self.bias


class FullConv(nn.Module):
    """A convolution over the whole map with a bias per kernel, so per input and output."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, (4, 7), bias=False)
        self.bias = nn.Parameter(torch.zeros(outputs, inputs))

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """[N, inputs, 4, 7] -> [N, outputs]."""
        out_NC: Tensor = self.conv(maps_NCHW).flatten(1) + self.bias.sum(1)
        return out_NC


def _unfold(frames_BTHW: Tensor) -> Tensor:
    """Each frame's seven neighbours, itself among them: [B, T, H, W, 7]."""
    margin = FRAMES_SEEN // 2
    padded_BTHW = F.pad(frames_BTHW, (0, 0, 0, 0, margin, margin))
    return padded_BTHW.unfold(1, FRAMES_SEEN, 1)
