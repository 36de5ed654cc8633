"""Jitter: frames of training clips moved and scaled a little, as by other landmarks, and random
resized crops."""
# M clips  T frames  F frames with noise of their own  H W pixels

import torch
import torch.nn.functional as F
from torch import Tensor

from lipnet.recipe import Recipe

NOISE_FRAMES = 64  # a longer clip repeats its noise
NO_JITTER = torch.empty(0, 4)
MAX_ASPECT = 4 / 3  # of a random resized crop's sides


def draw_noise(clips: int, generator: torch.Generator) -> Tensor:
    """Uniform noise in [-1, 1) per clip [M, F, 3]: the scale of a clip (the same in all of its
    frames, since landmarks are smoothed for it), and each frame's shift in x and y."""
    noise_MF3 = torch.rand((clips, NOISE_FRAMES, 3), generator=generator) * 2 - 1
    noise_MF3[:, :, 0] = noise_MF3[:, :1, 0]
    return noise_MF3


def place_jitter(
    noise_MF3: Tensor, crops_M4: Tensor, starts_M: Tensor, n_frames: int, recipe: Recipe
) -> Tensor:
    """The zoom and the shift in x and y [M, T, 4] of the frames from `starts_M` on, shifts in
    pixels of the input; NO_JITTER if the recipe has none.

    `crops_M4` are uniform numbers in [0, 1) for each clip's random resized crop.
    """
    if not recipe.jitter and not recipe.jitter_scale and recipe.crop_area == 1.0:
        return NO_JITTER
    times_MT = (starts_M[:, None] + torch.arange(n_frames)) % NOISE_FRAMES
    noise_MT3 = noise_MF3[torch.arange(len(noise_MF3))[:, None], times_MT]
    shift = recipe.jitter * recipe.input_size / recipe.field
    most_4 = torch.tensor([recipe.jitter_scale, recipe.jitter_scale, shift, shift])
    moved_MT4 = noise_MT3[:, :, [0, 0, 1, 2]] * most_4 + torch.tensor([1.0, 1, 0, 0])
    return moved_MT4 if recipe.crop_area == 1.0 else _crop(moved_MT4, crops_M4, recipe)


def _crop(moved_MT4: Tensor, crops_M4: Tensor, recipe: Recipe) -> Tensor:
    """Moved frames of which a rectangle, the same in all frames of a clip, fills the image: of
    `crop_area` to 1 of its area and 3/4 to 4/3 in its sides, anywhere in it."""
    area_M = recipe.crop_area + (1 - recipe.crop_area) * crops_M4[:, 0]
    root_M = MAX_ASPECT ** (crops_M4[:, 1] - 0.5)  # of width over height
    sides_M2 = torch.stack([area_M.sqrt() * root_M, area_M.sqrt() / root_M], 1).clamp(max=1)
    # How far the rectangle's middle is from the image's, in pixels of the input
    middle_M2 = (crops_M4[:, 2:] - 0.5) * (1 - sides_M2) * recipe.input_size
    sides_M12, middle_M12 = sides_M2.unsqueeze(1), middle_M2.unsqueeze(1)
    zoom_MT2 = moved_MT4[..., :2] / sides_M12
    return torch.cat([zoom_MT2, (moved_MT4[..., 2:] - middle_M12) / sides_M12], 2)


def apply_jitter(frames_MTHW: Tensor, jitter_MT4: Tensor) -> Tensor:
    """Each frame zoomed about its middle and then moved right and down, bilinearly; beyond the
    image its edge is repeated. The frames themselves if there is no jitter."""
    if not len(jitter_MT4):
        return frames_MTHW
    size = frames_MTHW.shape[-1]
    zoom_x_N, zoom_y_N, x_N, y_N = jitter_MT4.flatten(0, 1).unbind(1)
    # Coordinates of the source are -1 to 1, from edge to edge.
    zeros_N = torch.zeros_like(x_N)
    rows = [1 / zoom_x_N, zeros_N, -2 * x_N / (size * zoom_x_N)]
    rows += [zeros_N, 1 / zoom_y_N, -2 * y_N / (size * zoom_y_N)]
    source_N23 = torch.stack(rows, 1).view(-1, 2, 3)
    images_N1HW = frames_MTHW.flatten(0, 1).unsqueeze(1)
    grid_NHW2 = F.affine_grid(source_N23, list(images_N1HW.shape), align_corners=False)
    moved_N1HW = F.grid_sample(
        images_N1HW, grid_NHW2, mode="bilinear", padding_mode="border", align_corners=False
    )
    return moved_N1HW.view(frames_MTHW.shape)
