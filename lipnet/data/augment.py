"""What a network sees of a batch: random crop, flip, length and mixup, or the centre view.

Everything is batched on the batch's device; the random choices come from one generator on the
CPU, so that the same seed gives the same views on any device.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lipnet.train.recipe import Recipe

# B batch  T frames  H W pixels


@dataclass(frozen=True)
class ClipBatch:
    """Clips as stored: frames uint8, zero after each clip's length; the word in [first, last)."""

    frames_BTHW: Tensor
    lengths_B: Tensor
    labels_B: Tensor
    words_B2: Tensor

    def to(self, device: torch.device) -> "ClipBatch":
        """The same batch on `device`."""
        moved = (
            t.to(device, non_blocking=True)
            for t in (self.frames_BTHW, self.lengths_B, self.labels_B, self.words_B2)
        )
        return ClipBatch(*moved)


@dataclass(frozen=True)
class View:
    """Normalised float frames, zero after each length; `share` of the first label is in each.

    `word_BT` is 1 on the word's frames and 0 around it, mixed like the frames.
    """

    frames_BTHW: Tensor
    lengths_B: Tensor
    word_BT: Tensor
    labels_B: Tensor
    partner_labels_B: Tensor
    share: float


@dataclass(frozen=True)
class Window:
    """Which frames and pixels of each clip a view takes; x runs backwards where it is flipped."""

    starts_B: Tensor
    lengths_B: Tensor
    tops_B: Tensor
    lefts_B: Tensor
    flips_B: Tensor


def central_view(batch: ClipBatch, recipe: Recipe) -> View:
    """The whole clip and the centre crop, as in testing (paper section 4)."""
    size = batch.lengths_B.shape[0]
    margin = batch.frames_BTHW.shape[-1] - recipe.input_size
    centre_B = torch.full((size,), margin // 2)
    zeros_B = torch.zeros(size, dtype=torch.long)
    window = Window(zeros_B, batch.lengths_B.cpu(), centre_B, centre_B, zeros_B.bool())
    frames_BTHW = _normalise(_take(batch.frames_BTHW, window, recipe.input_size), window, recipe)
    word_BT = _mark_word(batch.words_B2, window)
    return View(frames_BTHW, batch.lengths_B, word_BT, batch.labels_B, batch.labels_B, 1.0)


def random_view(batch: ClipBatch, recipe: Recipe, generator: torch.Generator) -> View:
    """A random view for training: crop, flip and cut by clip, one mixup share by batch."""
    window = _draw_window(batch, recipe, generator)
    frames_BTHW = _normalise(_take(batch.frames_BTHW, window, recipe.input_size), window, recipe)
    device = batch.frames_BTHW.device
    lengths_B = window.lengths_B.to(device)
    word_BT = _mark_word(batch.words_B2, window)
    share = _draw_share(recipe.mixup, generator)
    partners_B = torch.randperm(len(lengths_B), generator=generator).to(device)
    if share < 1.0:
        # The first clip's length is kept (the authors' code): what the partner has beyond is cut.
        frames_BTHW = share * frames_BTHW + (1.0 - share) * frames_BTHW[partners_B]
        valid_BT = _valid_mask(lengths_B, frames_BTHW.shape[1])
        frames_BTHW = frames_BTHW * valid_BT[:, :, None, None]
        word_BT = (share * word_BT + (1.0 - share) * word_BT[partners_B]) * valid_BT
    labels_B = batch.labels_B
    return View(frames_BTHW, lengths_B, word_BT, labels_B, labels_B[partners_B], share)


def _draw_window(batch: ClipBatch, recipe: Recipe, generator: torch.Generator) -> Window:
    size = batch.lengths_B.shape[0]
    margin = batch.frames_BTHW.shape[-1] - recipe.input_size
    draws_4B = torch.rand((4, size), generator=generator)
    tops_B = (draws_4B[0] * (margin + 1)).long()
    lefts_B = (draws_4B[1] * (margin + 1)).long()
    flips_B = torch.rand(size, generator=generator) < recipe.flip
    starts_B = torch.zeros(size, dtype=torch.long)
    ends_B = batch.lengths_B.cpu()
    if recipe.variable_length:
        # Random cuts fall only outside the word (paper section 4).
        words_B2 = batch.words_B2.cpu()
        last_start_B = words_B2[:, 0].sub(1).clamp(min=0)
        first_end_B = torch.minimum(words_B2[:, 1].clamp(min=1), ends_B)
        starts_B = (draws_4B[2] * (last_start_B + 1)).long()
        ends_B = first_end_B + (draws_4B[3] * (ends_B - first_end_B + 1)).long()
    return Window(starts_B, ends_B - starts_B, tops_B, lefts_B, flips_B)


def _draw_share(mixup: float, generator: torch.Generator) -> float:
    """lambda ~ Beta(mixup, mixup), one for the whole batch; 1 where mixup is off."""
    if mixup == 0:
        return 1.0
    # A Beta draw as a ratio of two gammas, from the same generator as everything else.
    gammas = torch._standard_gamma(torch.full((2,), mixup, dtype=torch.float64), generator)
    return float(gammas[0] / gammas.sum())


def _take(frames_BTHW: Tensor, window: Window, size: int) -> Tensor:
    """The window's frames and pixels, as one gather of bytes."""
    steps = int(window.lengths_B.max())
    ramp = torch.arange(size)
    columns_BW = window.lefts_B[:, None] + torch.where(window.flips_B[:, None], ramp.flip(0), ramp)
    rows_BH = window.tops_B[:, None] + ramp
    times_BT = window.starts_B[:, None] + torch.arange(steps)
    times_BT = times_BT.clamp(max=frames_BTHW.shape[1] - 1)
    device = frames_BTHW.device
    clips_B = torch.arange(len(times_BT), device=device)
    return frames_BTHW[
        clips_B[:, None, None, None],
        times_BT.to(device)[:, :, None, None],
        rows_BH.to(device)[:, None, :, None],
        columns_BW.to(device)[:, None, None, :],
    ]


def _normalise(frames_BTHW: Tensor, window: Window, recipe: Recipe) -> Tensor:
    """(x / 255 - mean) / std, then zero padding after each length."""
    scale, shift = 1 / (255 * recipe.std), -recipe.mean / recipe.std
    floats_BTHW = frames_BTHW.float().mul_(scale).add_(shift)
    lengths_B = window.lengths_B.to(frames_BTHW.device)
    return floats_BTHW.mul_(_valid_mask(lengths_B, floats_BTHW.shape[1])[:, :, None, None])


def _mark_word(words_B2: Tensor, window: Window) -> Tensor:
    """1 on the window's frames that lie in the word [first, last), 0 elsewhere: [B, T]."""
    device = words_B2.device
    steps_T = torch.arange(int(window.lengths_B.max()), device=device)
    times_BT = window.starts_B.to(device)[:, None] + steps_T
    in_word_BT = (times_BT >= words_B2[:, :1]) & (times_BT < words_B2[:, 1:])
    return in_word_BT.float() * _valid_mask(window.lengths_B.to(device), len(steps_T))


def _valid_mask(lengths_B: Tensor, steps: int) -> Tensor:
    """1 for frames before each length and 0 after, shaped [B, T]."""
    mask_BT = torch.arange(steps, device=lengths_B.device) < lengths_B[:, None]
    return mask_BT.float()
