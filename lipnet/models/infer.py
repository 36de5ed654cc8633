"""A batch through a model that is not being trained, in parts that fit in a CPU's caches."""
# B batch  T frames  H W pixels

from collections.abc import Callable

import torch
from torch import Tensor

from lipnet.models.packing import ValidFrames

PIXELS = 8 * 29 * 88 * 88  # per part; with more, a CPU waits for memory


def infer_clips(
    forward: Callable[..., Tensor],
    frames_BTHW: Tensor,
    lengths_B: Tensor,
    word_BT: Tensor | None = None,
    valid: ValidFrames | None = None,
) -> Tensor:
    """`forward` of the whole batch, in parts: no clip's output depends on another clip.

    `valid` are the whole batch's valid frames, if they are known and `forward` takes them.
    """
    batch = (frames_BTHW, lengths_B) if word_BT is None else (frames_BTHW, lengths_B, word_BT)
    clips = max(1, PIXELS // max(1, frames_BTHW[0].numel()))
    if frames_BTHW.device.type != "cpu" or len(frames_BTHW) <= clips:
        return forward(*batch) if valid is None else forward(*batch, valid=valid)
    parts = zip(*(torch.split(tensor, clips) for tensor in batch), strict=True)
    return torch.cat([forward(*part) for part in parts])
