"""Views of a batch: random crop, flip, length and mixup for training, or the centre view.

Views are computed per batch on the device that holds the frames. The random numbers are drawn on
the CPU, before any clip is read, so that the same position in the stream gives the same view on
any device and with any number of processes.
"""
# B batch  R rows of a micro-batch  M rows that they need  T frames  H W pixels
# L bytes of the batch  S bytes from a window's first pixel to its last

from dataclasses import dataclass

import torch
from torch import Tensor

from lipnet.data.batch import ClipBatch, View, select_rows
from lipnet.recipe import Recipe
from lipnet.seed import generator_of


@dataclass(frozen=True)
class Draws:
    """The random numbers of a batch: uniform numbers in [0, 1) that position each clip's window,
    whether it is flipped and cut, its mixup partner, and the clip's own share of the mixture."""

    tops_B: Tensor
    lefts_B: Tensor
    starts_B: Tensor
    ends_B: Tensor
    flips_B: Tensor
    cuts_B: Tensor
    partners_B: Tensor
    share: float

    def rows(self, rows_R: Tensor) -> tuple[Tensor, "Draws"]:
        """The rows [M] that a view of `rows_R` needs, and the draws for a batch of those rows.

        `rows_R` come first, then the partners that are not among them.
        """
        needed_M = rows_R
        partners_R = self.partners_B[rows_R]
        if self.share < 1.0:
            others = partners_R[~torch.isin(partners_R, rows_R)]
            needed_M = torch.cat([rows_R, others])
        index_B = torch.zeros(len(self.partners_B), dtype=torch.long)
        index_B[needed_M] = torch.arange(len(needed_M))
        names = ("tops_B", "lefts_B", "starts_B", "ends_B", "flips_B", "cuts_B")
        picked = {name: getattr(self, name)[needed_M] for name in names}
        return needed_M, Draws(**picked, partners_B=index_B[partners_R], share=self.share)


def draw(recipe: Recipe, clips: int, *, epoch: int, step: int) -> Draws:
    """The random numbers of one step's batch: a function of seed, epoch and step."""
    generator = generator_of("views", recipe.stream_seed, epoch, step)
    tops_B, lefts_B, starts_B, ends_B = torch.rand((4, clips), generator=generator)
    flips_B = torch.rand(clips, generator=generator) < recipe.flip
    partners_B = torch.randperm(clips, generator=generator)
    share = _draw_share(recipe.mixup, generator)
    cut_share = recipe.cut_share if recipe.variable_length else 0.0
    # Drawn last: what came before this choice stays the same for every recipe.
    cuts_B = torch.rand(clips, generator=generator) < cut_share
    return Draws(tops_B, lefts_B, starts_B, ends_B, flips_B, cuts_B, partners_B, share)


@dataclass(frozen=True)
class Window:
    """The frames and pixels that a view takes of each clip; flipped clips are mirrored."""

    starts_B: Tensor
    lengths_B: Tensor
    tops_B: Tensor
    lefts_B: Tensor
    flips_B: Tensor


def central_view(batch: ClipBatch, recipe: Recipe) -> View:
    """The centre crop of the whole clip, as in testing (paper section 4), or of the word with
    `recipe.eval_context` frames on each side of it."""
    size = batch.lengths_B.shape[0]
    margin = batch.frames_NTHW.shape[-1] - recipe.input_size
    centre_B = torch.full((size,), margin // 2)
    unflipped_B = torch.zeros(size, dtype=torch.bool)
    starts_B, ends_B = _around_word(batch, recipe.eval_context)
    window = Window(starts_B, ends_B - starts_B, centre_B, centre_B, unflipped_B)
    n_frames = int(window.lengths_B.max())
    frames_BTHW = _normalised(batch, window, n_frames, recipe)
    word_BT = _mark_word(batch.words_B2, window, n_frames)
    return _view(frames_BTHW, window.lengths_B, word_BT, batch.labels_B, batch.labels_B, 1.0)


def _around_word(batch: ClipBatch, context: int) -> tuple[Tensor, Tensor]:
    """The frames [start, end) of the word and up to `context` more on each side, at least one; the
    whole clip if `context` is -1."""
    if context < 0:
        return torch.zeros_like(batch.lengths_B), batch.lengths_B
    starts_B = torch.minimum((batch.words_B2[:, 0] - context).clamp(min=0), batch.lengths_B - 1)
    ends_B = torch.minimum(batch.words_B2[:, 1] + context, batch.lengths_B)
    return starts_B, torch.maximum(ends_B, starts_B + 1)


def random_view(batch: ClipBatch, draws: Draws, recipe: Recipe) -> View:
    """A random view for training: crop, flip and length per clip, one mixup share per batch.

    The view has one row per entry of `draws.partners_B`; any further rows of the batch serve only
    as partners.
    """
    window = _place_window(batch, draws, recipe)
    own = len(draws.partners_B)
    lengths_B = window.lengths_B[:own]
    n_frames = int(lengths_B.max())
    frames_BTHW = _normalised(batch, window, n_frames, recipe)
    word_BT = _mark_word(batch.words_B2, window, n_frames)
    if draws.share < 1.0:
        # The first clip's length is kept (the authors' code): the rest of its partner is cut off.
        valid_BT = _valid_mask(lengths_B, n_frames)
        frames_BTHW = _mix(frames_BTHW, draws)
        _blank(frames_BTHW, valid_BT)
        word_BT = _mix(word_BT, draws) * valid_BT
    labels_B = batch.labels_B
    partners_B = labels_B[draws.partners_B]
    return _view(frames_BTHW, lengths_B, word_BT, labels_B[:own], partners_B, draws.share)


def _view(
    frames_BTHW: Tensor,
    lengths_B: Tensor,
    word_BT: Tensor,
    labels_B: Tensor,
    partner_labels_B: Tensor,
    share: float,
) -> View:
    device = frames_BTHW.device
    word_BT, labels_B, partner_labels_B = (
        tensor.to(device, non_blocking=True) for tensor in (word_BT, labels_B, partner_labels_B)
    )
    return View(frames_BTHW, lengths_B, word_BT, labels_B, partner_labels_B, share)


def _mix(rows_B: Tensor, draws: Draws) -> Tensor:
    """`share` times each row plus (1 - `share`) times its partner."""
    partners_B = draws.partners_B
    return select_rows(rows_B, partners_B).lerp_(rows_B[: len(partners_B)], draws.share)


def _place_window(batch: ClipBatch, draws: Draws, recipe: Recipe) -> Window:
    margin = batch.frames_NTHW.shape[-1] - recipe.input_size
    tops_B = (draws.tops_B * (margin + 1)).long()
    lefts_B = (draws.lefts_B * (margin + 1)).long()
    # Random cuts fall only outside the word and its least context (paper section 4).
    words_B2, context = batch.words_B2, recipe.min_context
    last_start_B = words_B2[:, 0].sub(max(1, context)).clamp(min=0)
    first_end_B = torch.minimum(words_B2[:, 1].add(context).clamp(min=1), batch.lengths_B)
    starts_B = (draws.starts_B * (last_start_B + 1)).long() * draws.cuts_B
    cut_ends_B = first_end_B + (draws.ends_B * (batch.lengths_B - first_end_B + 1)).long()
    ends_B = torch.where(draws.cuts_B, cut_ends_B, batch.lengths_B)
    return Window(starts_B, ends_B - starts_B, tops_B, lefts_B, draws.flips_B)


def _draw_share(mixup: float, generator: torch.Generator) -> float:
    """lambda ~ Beta(mixup, mixup), one for the whole batch; 1 if mixup is off."""
    if mixup == 0:
        return 1.0
    # A Beta variate as a ratio of two gamma variates, so that it can come from the generator.
    gammas = torch._standard_gamma(torch.full((2,), mixup, dtype=torch.float64), generator)
    return float(gammas[0] / gammas.sum())


def _normalised(batch: ClipBatch, window: Window, n_frames: int, recipe: Recipe) -> Tensor:
    """(x / 255 - mean) / std of the window's pixels, `n_frames` per clip; 0 after each length."""
    floats_BTHW = _take(batch, window, n_frames, recipe.input_size).float()
    shift = torch.full((), -recipe.mean / recipe.std, device=floats_BTHW.device)
    torch.add(shift, floats_BTHW, alpha=1 / (255 * recipe.std), out=floats_BTHW)
    _blank(floats_BTHW, _valid_mask(window.lengths_B, n_frames))
    return floats_BTHW


def _take(batch: ClipBatch, window: Window, n_frames: int, size: int) -> Tensor:
    """The window's bytes [B, T, size, size], read as one contiguous piece per frame."""
    clips, frames, height, width = batch.frames_NTHW.shape
    clips_B = torch.arange(clips) if batch.rows_B is None else batch.rows_B
    times_BT = (window.starts_B[:, None] + torch.arange(n_frames)).clamp(max=frames - 1)
    corners_B = window.tops_B * width + window.lefts_B
    offsets_BT = (clips_B[:, None] * frames + times_BT) * (height * width) + corners_B[:, None]
    order_B = window.flips_B.long().argsort(stable=True)  # flipped clips last
    span = (size - 1) * width + size
    pieces_LS = batch.frames_NTHW.reshape(-1).unfold(0, span, 1)
    taken = select_rows(pieces_LS, offsets_BT[order_B].flatten())
    strides = (n_frames * span, span, width, 1)
    taken_BTHW = taken.as_strided((len(order_B), n_frames, size, size), strides)
    flipped = int(window.flips_B.sum())
    if flipped == 0:
        return taken_BTHW
    straight = len(order_B) - flipped
    both_BTHW = torch.cat([taken_BTHW[:straight], taken_BTHW[straight:].flip(-1)])
    return select_rows(both_BTHW, order_B.argsort())


def _blank(frames_BTHW: Tensor, valid_BT: Tensor) -> None:
    """Zero the frames that are not valid, in place."""
    if not bool(valid_BT.all()):
        empty_N = (valid_BT == 0).flatten().nonzero().squeeze(1)
        frames_BTHW.flatten(0, 1).index_fill_(0, empty_N.to(frames_BTHW.device), 0.0)


def _mark_word(words_B2: Tensor, window: Window, n_frames: int) -> Tensor:
    """1 on the window's frames in the word [first, last), 0 elsewhere: [B, T]."""
    times_BT = window.starts_B[:, None] + torch.arange(n_frames)
    in_word_BT = (times_BT >= words_B2[:, :1]) & (times_BT < words_B2[:, 1:])
    return in_word_BT * _valid_mask(window.lengths_B, n_frames)


def _valid_mask(lengths_B: Tensor, n_frames: int) -> Tensor:
    """1 for frames before each length and 0 after, shaped [B, T]."""
    return (torch.arange(n_frames) < lengths_B[:, None]).float()
