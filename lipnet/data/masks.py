"""Changes to the pixels of training clips: brightness, time masks and cutout."""
# M clips  T frames  H W pixels  P pixels of a side

import torch
from torch import Tensor

from lipnet.recipe import Recipe

NO_HOLES = torch.empty(0, 2)
NO_MASK = torch.empty(0)
NO_GAIN = torch.empty(0)


def change_light(frames_MTHW: Tensor, gains_M: Tensor, recipe: Recipe) -> None:
    """Multiply each clip's pixels by its gain, in place; no pixel becomes brighter than white."""
    if not len(gains_M):
        return
    mean, std = recipe.normalisation
    gains_M111 = gains_M[:, None, None, None]
    frames_MTHW.mul_(gains_M111).add_((gains_M111 - 1) * (mean / std))
    frames_MTHW.clamp_(max=(1 - mean) / std)


def place_time_mask(masks_M2: Tensor, lengths_M: Tensor, n_frames: int, recipe: Recipe) -> Tensor:
    """1 on up to `time_mask` frames in a row of each clip, and 1 / their number on all of its
    frames among the first `n_frames` [2, M, T]; NO_MASK if the recipe has none."""
    if not recipe.time_mask:
        return NO_MASK
    count_M = torch.minimum((masks_M2[:, 0] * (recipe.time_mask + 1)).long(), lengths_M)
    first_M = (masks_M2[:, 1] * (lengths_M - count_M + 1)).long()
    times_T = torch.arange(n_frames)
    masked_MT = (times_T >= first_M[:, None]) & (times_T < (first_M + count_M)[:, None])
    valid_MT = valid_mask(lengths_M, n_frames)
    return torch.stack([masked_MT.float(), valid_MT / valid_MT.sum(1, keepdim=True)])


def mask_time(frames_MTHW: Tensor, masks_2MT: Tensor) -> None:
    """Replace the masked frames by the mean of their clip, in place (Ma et al., ICASSP 2022, arXiv
    2209.01383)."""
    if not len(masks_2MT):
        return
    masked_MT, weights_MT = masks_2MT
    mean_MHW = torch.einsum("mt,mthw->mhw", weights_MT, frames_MTHW)
    frames_MTHW.lerp_(mean_MHW.unsqueeze(1), masked_MT[:, :, None, None])


def cut_out(frames_MTHW: Tensor, holes_M2: Tensor, cutout: float) -> None:
    """Zero one square in all frames of a clip, in place: its side is `cutout` times the image's,
    its middle is anywhere in the image, and what is outside is cut off (DeVries and Taylor, arXiv
    1708.04552; in lipreading Zhang et al., FG 2020, with 0.375)."""
    if not len(holes_M2):
        return
    size = frames_MTHW.shape[-1]
    half = max(1, round(cutout * size / 2))
    pixels_P = torch.arange(size, device=frames_MTHW.device)
    offsets_M2P = pixels_P - (holes_M2 * size).long().unsqueeze(2)
    rows_MP, columns_MP = ((offsets_M2P >= -half) & (offsets_M2P < half)).unbind(1)
    hole_MHW = rows_MP.unsqueeze(2) & columns_MP.unsqueeze(1)
    frames_MTHW.masked_fill_(hole_MHW.unsqueeze(1), 0.0)


def valid_mask(lengths_B: Tensor, n_frames: int) -> Tensor:
    """1 for frames before each length and 0 after, shaped [B, T]."""
    return (torch.arange(n_frames) < lengths_B[:, None]).float()
