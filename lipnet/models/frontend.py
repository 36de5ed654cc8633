"""The front end: a spatio-temporal convolution over five frames, computed on valid frames only."""
# B batch  T steps  N valid frames of the whole batch  H W pixels  C channels

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipnet.models.activation import make_activation
from lipnet.models.valid import ValidFrames

FRAMES_SEEN = 5  # a frame and two neighbours on either side


class FrontEnd(nn.Module):
    """Conv3d (5,7,7) / (1,2,2), BatchNorm, activation, MaxPool (1,3,3) / (1,2,2) (paper, Fig. 1).

    With one input channel the Conv3d equals a Conv2d over five stacked frames: that form needs
    valid frames only, and is several times faster on a CPU. Weights keep their Conv3d shape.
    """

    def __init__(self, channels: int, activation: str) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, channels, (FRAMES_SEEN, 7, 7), bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.act = make_activation(activation, channels)
        self.pool = nn.MaxPool2d(3, 2, 1)
        # ReLU and max commute, gradients included; pooling first leaves it a quarter of the work.
        self.pool_first = activation == "relu"

    def forward(self, frames_BTHW: Tensor, valid: ValidFrames) -> Tensor:
        """-> [N, C, H / 4, W / 4]; frames that are padding count as zeros."""
        stacked_N5HW = stack_neighbours(frames_BTHW, valid)
        weight_C5HW = self.conv.weight.squeeze(1)
        maps_NCHW: Tensor = self.norm(F.conv2d(stacked_N5HW, weight_C5HW, stride=2, padding=3))
        if self.pool_first:
            maps_NCHW = self.act(self.pool(maps_NCHW))
        else:
            maps_NCHW = self.pool(self.act(maps_NCHW))
        return maps_NCHW


def stack_neighbours(frames_BTHW: Tensor, valid: ValidFrames) -> Tensor:
    """Each valid frame with its two neighbours on either side: [N, 5, H, W], zeros beyond."""
    if valid.index_N is not None:
        steps_T = torch.arange(valid.steps, device=frames_BTHW.device)
        padding_BT = steps_T >= valid.lengths_B.unsqueeze(1)
        frames_BTHW = frames_BTHW.masked_fill(padding_BT[..., None, None], 0)
    margin = FRAMES_SEEN // 2
    padded_BTHW = F.pad(frames_BTHW, (0, 0, 0, 0, margin, margin))
    stacked_N5HW = valid.pack(padded_BTHW.unfold(1, FRAMES_SEEN, 1).movedim(-1, 2))
    return stacked_N5HW.contiguous(memory_format=torch.channels_last)
