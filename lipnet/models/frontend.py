"""The front end: a spatio-temporal convolution over five frames, computed on valid frames only."""
# B batch  T steps  N valid frames of the whole batch  H W pixels  C channels
# S five frames, or the five frames of every plane

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipnet.models.activation import make_activation
from lipnet.models.motion import PLANES, compute_planes
from lipnet.models.packing import ValidFrames

FRAMES_SEEN = 5  # a frame and two neighbours on either side


class FrontEnd(nn.Module):
    """Conv3d (5,7,7) / (1,2,2), BatchNorm, activation, MaxPool (1,3,3) / (1,2,2) (paper, Fig. 1).

    With one input channel the Conv3d equals a Conv2d over five stacked frames: that form needs
    valid frames only, and is several times faster on a CPU. Weights keep their Conv3d shape. With
    `motion` the input channels are the planes of lipnet/models/motion.py.
    """

    def __init__(self, channels: int, activation: str, *, motion: bool = False) -> None:
        super().__init__()
        self.motion = motion
        self.conv = nn.Conv3d(PLANES if motion else 1, channels, (FRAMES_SEEN, 7, 7), bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.act = make_activation(activation, channels)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.compiled: Callable[[Tensor], Tensor] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """The state without the compiled code, which has the tensors of this module."""
        state = super().__getstate__()  # type: ignore[no-untyped-call]
        return {**state, "compiled": None}

    def forward(self, frames_BTHW: Tensor, valid: ValidFrames) -> Tensor:
        """-> [N, C, H / 4, W / 4]; frames that are padding count as zeros."""
        if self.training or frames_BTHW.device.type != "cpu":
            stacked_NSHW = stack_neighbours(frames_BTHW, valid, motion=self.motion)
            return self.see(stacked_NSHW) if self.compiled is None else self.compiled(stacked_NSHW)
        # Clip by clip, the large maps before pooling stay in the CPU's caches.
        clips = zip(frames_BTHW, valid.lengths_B.tolist(), strict=True)
        return torch.cat(
            [
                self.see(stack_clip(frames_THW[:length], motion=self.motion))
                for frames_THW, length in clips
            ]
        )

    def see(self, stacked_NSHW: Tensor) -> Tensor:
        """Frames stacked with their neighbours [N, S, H, W] -> [N, C, H / 4, W / 4]."""
        weight_CSHW = self.conv.weight.flatten(1, 2)
        maps_NCHW = F.conv2d(stacked_NSHW, weight_CSHW, self.conv.bias, stride=2, padding=3)
        maps_NCHW = self.norm(maps_NCHW)
        # A monotone activation commutes with max, gradients included, and costs a quarter after the
        # pooling.
        first, then = (self.pool, self.act) if is_monotone(self.act) else (self.act, self.pool)
        pooled_NCHW: Tensor = then(first(maps_NCHW))
        return pooled_NCHW


class PlainFrames(nn.Module):
    """For trunks that take the frames themselves: every valid frame as a map of one channel."""

    def forward(self, frames_BTHW: Tensor, valid: ValidFrames) -> Tensor:
        """-> [N, 1, H, W]."""
        return valid.pack(frames_BTHW).unsqueeze(1)


def is_monotone(activation: nn.Module) -> bool:
    """Whether a larger input never gives a smaller output; for PReLU known only on a CPU."""
    if isinstance(activation, nn.ReLU):
        return True
    if not isinstance(activation, nn.PReLU) or torch.compiler.is_compiling():
        return False
    slopes_C = activation.weight  # on a GPU, reading them would wait for the queue
    return slopes_C.device.type == "cpu" and bool((slopes_C > 0).all())


def stack_neighbours(frames_BTHW: Tensor, valid: ValidFrames, *, motion: bool = False) -> Tensor:
    """Each valid frame with its two neighbours on either side: [N, S, H, W], zeros outside it."""
    if valid.index_N is not None:
        steps_T = torch.arange(valid.steps, device=frames_BTHW.device)
        padding_BT = steps_T >= valid.lengths_B.unsqueeze(1)
        frames_BTHW = frames_BTHW.masked_fill(padding_BT[..., None, None], 0)
    lengths_B = None if valid.index_N is None else valid.lengths_B
    return valid.pack(_stack(frames_BTHW, lengths_B, motion=motion)).movedim(-1, 1)


def stack_clip(frames_THW: Tensor, *, motion: bool = False) -> Tensor:
    """The same of one clip without padding: [T, S, H, W]."""
    return _stack(frames_THW.unsqueeze(0), motion=motion)[0].movedim(-1, 1)


def _stack(frames_BTHW: Tensor, lengths_B: Tensor | None = None, *, motion: bool) -> Tensor:
    """The neighbours in each plane, channels last: [B, T, H, W, S]."""
    if not motion:
        return _unfold(frames_BTHW)
    planes = compute_planes(frames_BTHW, lengths_B)
    return torch.cat([_unfold(plane_BTHW) for plane_BTHW in planes], -1)


def _unfold(frames_BTHW: Tensor) -> Tensor:
    """Each frame's five neighbours, itself among them, channels last: [B, T, H, W, 5]."""
    margin = FRAMES_SEEN // 2
    padded_BTHW = F.pad(frames_BTHW, (0, 0, 0, 0, margin, margin))
    return padded_BTHW.unfold(1, FRAMES_SEEN, 1).contiguous()
