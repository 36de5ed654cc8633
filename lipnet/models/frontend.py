"""The front end: a spatio-temporal convolution over five frames, computed on valid frames only."""
# B batch  T steps  N valid frames of the whole batch  H W pixels  C channels

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipnet.models.activation import make_activation
from lipnet.models.packing import ValidFrames

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

    def forward(self, frames_BTHW: Tensor, valid: ValidFrames) -> Tensor:
        """-> [N, C, H / 4, W / 4]; frames that are padding count as zeros."""
        if self.training or frames_BTHW.device.type != "cpu":
            return self.see(stack_neighbours(frames_BTHW, valid))
        # Clip by clip, the large maps before pooling stay in the CPU's caches.
        clips = zip(frames_BTHW, valid.lengths_B.tolist(), strict=True)
        seen = [self.see(stack_clip(frames_THW[:length])) for frames_THW, length in clips]
        return torch.cat(seen)

    def see(self, stacked_N5HW: Tensor) -> Tensor:
        """Frames stacked with their neighbours [N, 5, H, W] -> [N, C, H / 4, W / 4]."""
        weight_C5HW = self.conv.weight.squeeze(1)
        maps_NCHW = F.conv2d(stacked_N5HW, weight_C5HW, self.conv.bias, stride=2, padding=3)
        maps_NCHW = self.norm(maps_NCHW)
        # A monotone activation commutes with max, gradients included, and costs a quarter after the
        # pooling.
        first, then = (self.pool, self.act) if is_monotone(self.act) else (self.act, self.pool)
        pooled_NCHW: Tensor = then(first(maps_NCHW))
        return pooled_NCHW


def is_monotone(activation: nn.Module) -> bool:
    """Whether a larger input never gives a smaller output; for PReLU known only on a CPU."""
    if isinstance(activation, nn.ReLU):
        return True
    if not isinstance(activation, nn.PReLU) or torch.compiler.is_compiling():
        return False
    slopes_C = activation.weight  # on a GPU, reading them would wait for the queue
    return slopes_C.device.type == "cpu" and bool((slopes_C > 0).all())


def stack_neighbours(frames_BTHW: Tensor, valid: ValidFrames) -> Tensor:
    """Each valid frame with its two neighbours on either side: [N, 5, H, W], zeros outside it."""
    if valid.index_N is not None:
        steps_T = torch.arange(valid.steps, device=frames_BTHW.device)
        padding_BT = steps_T >= valid.lengths_B.unsqueeze(1)
        frames_BTHW = frames_BTHW.masked_fill(padding_BT[..., None, None], 0)
    return valid.pack(_unfold(frames_BTHW)).movedim(-1, 1)


def stack_clip(frames_THW: Tensor) -> Tensor:
    """The same of one clip without padding: [T, 5, H, W]."""
    return _unfold(frames_THW.unsqueeze(0))[0].movedim(-1, 1)


def _unfold(frames_BTHW: Tensor) -> Tensor:
    """Each frame's five neighbours, itself among them, channels last: [B, T, H, W, 5]."""
    margin = FRAMES_SEEN // 2
    padded_BTHW = F.pad(frames_BTHW, (0, 0, 0, 0, margin, margin))
    return padded_BTHW.unfold(1, FRAMES_SEEN, 1).contiguous()
