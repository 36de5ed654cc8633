"""The 3-D CNN of Ji et al., "3D convolutional neural networks for human action recognition", TPAMI
2013 (ICML 2010), as a trunk: a frame's features come from the seven frames around it.

Published: 33 hardwired maps of 60x40 pixels, the layers C2 to C6, a bias per kernel in C6, 295,458
weights with a linear layer of three classes and no bias. Choices: the image is 60 pixels wide, as
mouths are wide; tanh after each subsampling and after C6; subsampling from the mean.
"""
# B batch  T frames  N valid frames of the whole batch  C channels  M maps in time  H W pixels

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipnet.models.motion import compute_planes
from lipnet.models.packing import ValidFrames

HEIGHT, WIDTH = 40, 60
FRAMES_SEEN = 7  # a frame and three neighbours on either side
STILL, FLOW = (3, FRAMES_SEEN), (2, FRAMES_SEEN - 1)  # channels, maps of each: 33 in all
TAPS = 3  # frames that a kernel of C2 and of C4 sees
SETS, KERNELS = 2, 3  # of kernels, for each channel in C2 and for each channel and set in C4
FEATURES = 128


class HardwiredPlanes(nn.Module):
    """Grey value, gradients and flow of each valid frame, at the network's size."""

    def forward(self, frames_BTHW: Tensor, valid: ValidFrames) -> Tensor:
        """[B, T, any height, any width] -> [N, 5, 40, 60]."""
        lengths_B = None
        if valid.index_N is not None:
            lengths_B = valid.lengths_B
            steps_T = torch.arange(valid.steps, device=frames_BTHW.device)
            padding_BT = steps_T >= lengths_B.unsqueeze(1)
            frames_BTHW = frames_BTHW.masked_fill(padding_BT[..., None, None], 0)
        size = (HEIGHT, WIDTH)
        small_BTHW = F.interpolate(frames_BTHW, size=size, mode="bilinear", antialias=True)
        return valid.pack(torch.stack(compute_planes(small_BTHW, lengths_B), 2))


class Ji3D(nn.Module):
    """C2 to C6, on the still channels and on the flow, which has one map less."""

    def __init__(self) -> None:
        super().__init__()
        self.features = FEATURES
        self.still = Stream(*STILL)
        self.flow = Stream(*FLOW)
        self.c6 = FullConv(self.still.maps + self.flow.maps, FEATURES)

    def forward(self, maps_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """[N, 5, 40, 60] -> [N, 128]; frames outside the clip are zeros."""
        still_NCHW, flow_NCHW = maps_NCHW.tensor_split([STILL[0]], 1)
        joined_NCHW = torch.cat((self.still(still_NCHW, valid), self.flow(flow_NCHW, valid)), 1)
        return torch.tanh(self.c6(joined_NCHW))


class Stream(nn.Module):
    """C2, S3, C4 and S5 of some channels, which stay apart; `maps` of each are in a window.

    C2 is computed once per frame: a frame is in seven windows, and a mean commutes with a sum. Each
    channel is a convolution of its own, which is twice as fast on a CPU as a grouped one.
    """

    def __init__(self, channels: int, maps: int) -> None:
        super().__init__()
        wide = channels * SETS
        self._positions = maps - 2  # of C2 in a window
        self.c2 = nn.Conv3d(channels, wide, (TAPS, 7, 7), groups=channels)
        self.s3 = Subsample(wide, self._positions, 2)
        self.c4 = nn.Conv3d(wide, wide * KERNELS, (TAPS, 6, 7), groups=wide)
        self.s5 = Subsample(wide * KERNELS, maps - 4, 3)
        self.maps = wide * KERNELS * (maps - 4)

    def forward(self, planes_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """[N, channels, 40, 60] -> [N, self.maps, 4, 7]."""
        volumes_NCMHW = torch.tanh(self.s3.scale(self._pooled_c2(planes_NCHW, valid)))
        positions, height, width = volumes_NCMHW.shape[2:]
        # One after the other in the batch: the windows of TAPS positions that C4 sees.
        seen = volumes_NCMHW.unfold(2, TAPS, 1).permute(0, 2, 1, 5, 3, 4)
        flat = seen.reshape(-1, volumes_NCMHW.shape[1] * TAPS, height, width)
        maps = _convolve_apart(flat, self.c4.weight.flatten(1, 2), self.c4.bias)
        frames = planes_NCHW.shape[0]
        made = maps.view(frames, positions - TAPS + 1, *maps.shape[1:]).transpose(1, 2)
        return torch.tanh(self.s5(made)).flatten(1, 2)

    def _pooled_c2(self, planes_NCHW: Tensor, valid: ValidFrames) -> Tensor:
        """C2 and the mean of S3 at each position of each frame's window: [N, C, M, 17, 27]."""
        kernels = self.c2.weight.squeeze(1).flatten(0, 1).unsqueeze(1)  # one per output and tap
        shares_NCHW = F.avg_pool2d(_convolve_apart(planes_NCHW, kernels, None), 2)
        grid = valid.unpack(shares_NCHW.flatten(1))
        margin = FRAMES_SEEN // 2
        padded = F.pad(grid, (0, 0, margin, margin))
        shape = (valid.batch, valid.steps + 2 * margin, -1, TAPS, *shares_NCHW.shape[2:])
        shares_BTCMHW = padded.view(shape)
        places = valid.steps + 2 * margin - TAPS + 1
        sums_BTCHW = sum(
            (shares_BTCMHW[:, tap : tap + places, :, tap] for tap in range(1, TAPS)),
            start=shares_BTCMHW[:, :places, :, 0],
        )
        assert self.c2.bias is not None
        sums_BTCHW = sums_BTCHW + self.c2.bias.view(-1, 1, 1)
        windows = sums_BTCHW.unfold(1, FRAMES_SEEN - 2, 1)[..., : self._positions]
        return valid.pack(windows).movedim(-1, 2)


class Subsample(nn.Module):
    """The mean over squares, times a factor and plus a bias, one of each for every map."""

    def __init__(self, channels: int, maps: int, side: int) -> None:
        super().__init__()
        self._side = side
        self.weight = nn.Parameter(torch.ones(channels, maps, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, maps, 1, 1))

    def forward(self, volumes: Tensor) -> Tensor:
        """[N, channels, maps, H, W] -> [N, channels, maps, H / side, W / side]."""
        return self.scale(F.avg_pool3d(volumes, (1, self._side, self._side)))

    def scale(self, pooled: Tensor) -> Tensor:
        """What follows the mean."""
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


def _convolve_apart(maps_NCHW: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution in groups, whose number follows from the shapes, one group after the other."""
    groups = maps_NCHW.shape[1] // weight.shape[1]
    biases = [None] * groups if bias is None else bias.chunk(groups)
    parts = zip(maps_NCHW.chunk(groups, 1), weight.chunk(groups), biases, strict=True)
    return torch.cat([F.conv2d(own, kernels, added) for own, kernels, added in parts], 1)
