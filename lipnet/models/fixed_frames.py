"""The rule of networks that take a fixed number of frames at once, and what joins them to a
Lipreader: an input of that many frames, and a head that gives each clip one vector."""
# B batch  T frames  N valid frames of the whole batch  C channels  H W pixels

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipnet.models.packing import ValidFrames


class FixedFrames(nn.Module):
    """The middle `frames` frames of each clip. A shorter clip is in the middle, with zeros before
    and after it: so a clip's logits depend on its own frames only."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, frames_BTHW: Tensor, valid: ValidFrames) -> Tensor:
        """[B, any number of frames, H, W] -> [B, frames, H, W]."""
        before_B = (valid.lengths_B - self.frames).div(2, rounding_mode="floor")
        times_T = torch.arange(self.frames, device=frames_BTHW.device)
        times_BT = before_B.unsqueeze(1) + times_T
        outside_BT = (times_BT < 0) | (times_BT >= valid.lengths_B.unsqueeze(1))
        clips_B1 = torch.arange(valid.batch, device=frames_BTHW.device).unsqueeze(1)
        taken_BTHW = frames_BTHW[clips_B1, times_BT.clamp(0, valid.steps - 1)]
        return taken_BTHW.masked_fill(outside_BT[..., None, None], 0)


class WholeClipHead(nn.Module):
    """One vector per clip as the output at each of its frames: their mean is that vector."""

    classifies_frames = False

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.features = inputs

    def forward(self, x_BC: Tensor, valid: ValidFrames) -> Tensor:
        """[B, C] -> packed [N, C]."""
        return valid.pack(x_BC.unsqueeze(1).expand(-1, valid.steps, -1))


def pool_maps(maps: Tensor, kernel: int) -> Tensor:
    """Max pooling of the last two dimensions with stride 2; maps smaller than the kernel give one
    pixel."""
    sides = [min(kernel, side) for side in maps.shape[-2:]]
    if maps.dim() == 5:
        return F.max_pool3d(maps, (1, *sides), (1, 2, 2))
    return F.max_pool2d(maps, sides, 2)
