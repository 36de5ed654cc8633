"""Views of a batch: random crop, flip, length, jitter, masks and mixup, or the centre view.

Which bytes and rows a view takes is computed on the CPU. These numbers go to the device together,
and the pixels are computed there. The random numbers are drawn on the CPU and depend on no clip, so
that the same position in the stream gives the same view on any device and with any number of
processes.
"""
# B batch  R rows of a micro-batch  M rows that they need  N clips  T frames  H W pixels
# L bytes of the batch  S bytes from a window's first pixel to its last  P pixels of a side

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from lipnet.data.batch import ClipBatch, View, select_rows
from lipnet.data.jitter import NO_JITTER, apply_jitter, draw_noise, place_jitter
from lipnet.data.masks import (
    NO_GAIN,
    NO_HOLES,
    NO_MASK,
    change_light,
    cut_out,
    mask_time,
    place_time_mask,
    valid_mask,
)
from lipnet.device import send_together, with_index
from lipnet.models.packing import find_valid_frames
from lipnet.recipe import Recipe
from lipnet.seed import generator_of


@dataclass(frozen=True)
class Draws:
    """The random numbers of a batch: uniform numbers in [0, 1) that position each clip's window
    and blank square, whether it is flipped and cut, its mixup partner, the clip's own share of the
    mixture, the noise of its jitter, its resized crop, masked frames and brightness."""

    tops_B: Tensor
    lefts_B: Tensor
    starts_B: Tensor
    ends_B: Tensor
    flips_B: Tensor
    cuts_B: Tensor
    partners_B: Tensor
    share: float
    holes_B2: Tensor
    noise_BF3: Tensor
    crops_B4: Tensor
    masks_B2: Tensor
    light_B: Tensor

    def rows(self, rows_R: Tensor) -> tuple[Tensor, "Draws"]:
        """The rows [M] that a view of `rows_R` needs, and the draws for a batch of those rows.

        `rows_R` come first, then the partners that are not among them.
        """
        if torch.equal(rows_R, torch.arange(len(self.partners_B))):  # the whole batch
            return rows_R, self
        needed_M = add_partners(rows_R, self.partners_B, self.share)
        index_B = torch.zeros(len(self.partners_B), dtype=torch.long)
        index_B[needed_M] = torch.arange(len(needed_M))
        names = {own.name for own in fields(self)} - {"partners_B", "share"}
        picked = {name: getattr(self, name)[needed_M] for name in names}
        partners_R = index_B[self.partners_B[rows_R]]
        return needed_M, Draws(**picked, partners_B=partners_R, share=self.share)


def draw(recipe: Recipe, clips: int, *, epoch: int, step: int) -> Draws:
    """The random numbers of one step's batch: a function of seed, epoch and step."""
    generator = generator_of("views", recipe.stream_seed, epoch, step)
    places_4B, flips_B, partners_B, share = _draw_first(recipe, clips, generator)
    cut_share = recipe.cut_share if recipe.variable_length else 0.0
    # Drawn last: what came before this choice stays the same for every recipe.
    cuts_B = torch.rand(clips, generator=generator) < cut_share
    holes_B2 = torch.rand((clips, 2), generator=generator)
    noise_BF3 = draw_noise(clips, generator)
    crops_B4 = torch.rand((clips, 4), generator=generator)
    masks_B2 = torch.rand((clips, 2), generator=generator)
    light_B = torch.rand(clips, generator=generator)
    places = (places_4B[0], places_4B[1], places_4B[2], places_4B[3])
    later = (holes_B2, noise_BF3, crops_B4, masks_B2, light_B)
    return Draws(*places, flips_B, cuts_B, partners_B, share, *later)


def draw_partners(recipe: Recipe, clips: int, *, epoch: int, step: int) -> tuple[Tensor, float]:
    """`partners_B` and `share` of the same `draw`, without the numbers that are drawn later."""
    generator = generator_of("views", recipe.stream_seed, epoch, step)
    return _draw_first(recipe, clips, generator)[2:]


def add_partners(rows_R: Tensor, partners_B: Tensor, share: float) -> Tensor:
    """The rows [M] that a view of `rows_R` needs: these, then the partners not among them."""
    if share == 1.0:
        return rows_R
    partners_R = partners_B[rows_R]
    return torch.cat([rows_R, partners_R[~torch.isin(partners_R, rows_R)]])


def _draw_first(
    recipe: Recipe, clips: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, float]:
    """The numbers of `Draws` that are drawn first: for windows [4, B], flips, partners, share."""
    places_4B = torch.rand((4, clips), generator=generator)
    flips_B = torch.rand(clips, generator=generator) < recipe.flip
    partners_B = torch.randperm(clips, generator=generator)
    return places_4B, flips_B, partners_B, _draw_share(recipe.mixup, generator)


@dataclass(frozen=True)
class Window:
    """The frames and pixels that a view takes of each clip; flipped clips are mirrored."""

    starts_B: Tensor
    lengths_B: Tensor
    tops_B: Tensor
    lefts_B: Tensor
    flips_B: Tensor


def central_view(batch: ClipBatch, recipe: Recipe, *, device: torch.device | None = None) -> View:
    """The centre crop of the whole clip, as in testing (paper section 4), or of the word with
    `recipe.eval_context` frames on each side of it; on `device`, or where the frames are."""
    size = batch.lengths_B.shape[0]
    margin = batch.frames_NTHW.shape[-1] - recipe.input_size
    centre_B = torch.full((size,), margin // 2)
    unflipped_B = torch.zeros(size, dtype=torch.bool)
    starts_B, ends_B = _around_word(batch, recipe.eval_context)
    window = Window(starts_B, ends_B - starts_B, centre_B, centre_B, unflipped_B)
    word_BT = _mark_word(batch.words_B2, window, int(window.lengths_B.max()))
    rows_B = torch.arange(size)
    return _compute(batch, _Places(window, word_BT, rows_B, rows_B, 1.0), recipe, device)


def _around_word(batch: ClipBatch, context: int) -> tuple[Tensor, Tensor]:
    """The frames [start, end) of the word and up to `context` more on each side, at least one; the
    whole clip if `context` is -1."""
    if context < 0:
        return torch.zeros_like(batch.lengths_B), batch.lengths_B
    starts_B = torch.minimum((batch.words_B2[:, 0] - context).clamp(min=0), batch.lengths_B - 1)
    ends_B = torch.minimum(batch.words_B2[:, 1] + context, batch.lengths_B)
    return starts_B, torch.maximum(ends_B, starts_B + 1)


def random_view(
    batch: ClipBatch,
    draws: Draws,
    recipe: Recipe,
    *,
    device: torch.device | None = None,
    head_steps: int | None = None,
) -> View:
    """A random view for training: crop, flip and length per clip, one mixup share per batch; on
    `device`, or where the frames are, with its valid frames padded to `head_steps` for a head.

    The view has one row per entry of `draws.partners_B`; any further rows of the batch serve only
    as partners. To a CUDA device everything is copied at once, and the host does not wait.
    """
    window = _place_window(batch, draws, recipe)
    own = len(draws.partners_B)
    lengths_B = window.lengths_B[:own]
    word_BT = _mark_word(batch.words_B2, window, int(lengths_B.max()))
    if draws.share < 1.0:
        word_BT = _mix(word_BT, draws.partners_B, draws.share)
        word_BT *= valid_mask(lengths_B, word_BT.shape[1])
    places = _Places(
        window,
        word_BT,
        torch.arange(own),
        draws.partners_B,
        draws.share,
        head_steps,
        draws.holes_B2 if recipe.cutout else NO_HOLES,
        place_jitter(draws.noise_BF3, draws.crops_B4, window.starts_B, word_BT.shape[1], recipe),
        place_time_mask(draws.masks_B2, window.lengths_B, word_BT.shape[1], recipe),
        1 + recipe.brightness * (2 * draws.light_B - 1) if recipe.brightness else NO_GAIN,
    )
    return _compute(batch, places, recipe, device)


@dataclass(frozen=True)
class _Places:
    """What a view is made of: the window of each clip, the mixed word's frames, the rows and
    partners that it mixes, the middle of each clip's blank square, over the image's side, each
    frame's jitter, which frames a time mask replaces and what the mean is made of, and the factor
    of each clip's pixels."""

    window: Window
    word_BT: Tensor
    rows_B: Tensor
    partners_B: Tensor
    share: float
    head_steps: int | None = None
    holes_M2: Tensor = NO_HOLES
    jitter_MT4: Tensor = NO_JITTER
    masks_2MT: Tensor = NO_MASK
    gains_M: Tensor = NO_GAIN


def _compute(
    batch: ClipBatch, places: _Places, recipe: Recipe, device: torch.device | None
) -> View:
    """The view, after everything that is not on its device was sent there together."""
    window, n_frames = places.window, places.word_BT.shape[1]
    device = batch.frames_NTHW.device if device is None else with_index(device)
    is_there = batch.frames_NTHW.device == device
    batch = batch if is_there else batch.selected()
    lengths_B = window.lengths_B[: len(places.rows_B)]
    valid = find_valid_frames(lengths_B, steps=n_frames, device=torch.device("cpu"))
    valid = valid if places.head_steps is None else valid.padded_to(places.head_steps)
    order_M = window.flips_B.long().argsort(stable=True)  # flipped clips last
    labels_B, partners_B = batch.labels_B[places.rows_B], batch.labels_B[places.partners_B]
    small = [
        _offsets(batch, window, n_frames)[order_M].flatten(),
        order_M.argsort(),
        _empty_frames(window.lengths_B, n_frames),
        _empty_frames(lengths_B, n_frames),
        places.partners_B,
        places.holes_M2,
        places.jitter_MT4,
        places.masks_2MT,
        places.gains_M,
        *(places.word_BT, labels_B, partners_B),
        *(valid.device_tensors() if device.type == "cuda" else ()),
    ]
    sent = send_together(small if is_there else [*small, batch.frames_NTHW], device)
    frames_NTHW = batch.frames_NTHW if is_there else sent.pop()
    offsets_L, back_M, empty_N, cut_N, mixed_B, holes_M2, jitter_MT4, masks_2MT, *rest = sent
    gains_M, word_BT, labels_B, partners_B, *moved = rest
    size, straight = recipe.input_size, len(order_M) - int(window.flips_B.sum())
    taken_MTHW = _take(frames_NTHW, offsets_L, (len(order_M), n_frames, size))
    frames_BTHW = _normalise(_flip(taken_MTHW, straight, back_M), recipe)
    change_light(frames_BTHW, gains_M, recipe)
    frames_BTHW = apply_jitter(frames_BTHW, jitter_MT4)
    _blank(frames_BTHW, empty_N)
    mask_time(frames_BTHW, masks_2MT)
    cut_out(frames_BTHW, holes_M2, recipe.cutout)
    if places.share < 1.0:
        # The first clip's length is kept (the authors' code): the rest of its partner is cut off.
        frames_BTHW = _mix(frames_BTHW, mixed_B, places.share)
        _blank(frames_BTHW, cut_N)
    valid = valid.with_tensors(moved) if moved else valid
    return View(frames_BTHW, lengths_B, word_BT, labels_B, partners_B, places.share, valid)


def _mix(rows_M: Tensor, partners_B: Tensor, share: float) -> Tensor:
    """`share` times each of the first rows plus (1 - `share`) times its partner."""
    return select_rows(rows_M, partners_B).lerp_(rows_M[: len(partners_B)], share)


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


def _offsets(batch: ClipBatch, window: Window, n_frames: int) -> Tensor:
    """The number of each frame's first byte in the batch's frames [M, T]."""
    clips, frames, height, width = batch.frames_NTHW.shape
    clips_M = torch.arange(clips) if batch.rows_B is None else batch.rows_B
    times_MT = (window.starts_B[:, None] + torch.arange(n_frames)).clamp(max=frames - 1)
    corners_M = window.tops_B * width + window.lefts_B
    return (clips_M[:, None] * frames + times_MT) * (height * width) + corners_M[:, None]


def _empty_frames(lengths_B: Tensor, n_frames: int) -> Tensor:
    """The numbers of the frames after each length, in the flat B*T layout."""
    return (valid_mask(lengths_B, n_frames) == 0).flatten().nonzero().squeeze(1)


def _take(frames_NTHW: Tensor, offsets_L: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """The bytes of windows [M, T, size, size], read as one contiguous piece per frame."""
    clips, n_frames, size = shape
    width = frames_NTHW.shape[-1]
    span = (size - 1) * width + size
    pieces_LS = frames_NTHW.reshape(-1).unfold(0, span, 1)
    taken = select_rows(pieces_LS, offsets_L)
    return taken.as_strided((clips, n_frames, size, size), (n_frames * span, span, width, 1))


def _flip(taken_MTHW: Tensor, straight: int, back_M: Tensor) -> Tensor:
    """Mirror all but the first `straight` clips, then restore the batch's order by `back_M`."""
    if straight == len(taken_MTHW):
        return taken_MTHW
    both_MTHW = torch.cat([taken_MTHW[:straight], taken_MTHW[straight:].flip(-1)])
    return select_rows(both_MTHW, back_M)


def _normalise(taken_BTHW: Tensor, recipe: Recipe) -> Tensor:
    """(x / 255 - mean) / std in float32."""
    floats_BTHW = taken_BTHW.float()
    mean, std = recipe.normalisation
    shift = torch.full((), -mean / std, device=floats_BTHW.device)
    torch.add(shift, floats_BTHW, alpha=1 / (255 * std), out=floats_BTHW)
    return floats_BTHW


def _blank(frames_BTHW: Tensor, empty_N: Tensor) -> None:
    """Zero the frames of these numbers, in place."""
    if len(empty_N):
        frames_BTHW.flatten(0, 1).index_fill_(0, empty_N, 0.0)


def _mark_word(words_B2: Tensor, window: Window, n_frames: int) -> Tensor:
    """1 on the window's frames in [first - 1, last) of the word, 0 elsewhere: [B, T].

    The frame before the word is marked because the authors' boundary models are trained so.
    """
    times_BT = window.starts_B[:, None] + torch.arange(n_frames)
    in_word_BT = (times_BT >= words_B2[:, :1] - 1) & (times_BT < words_B2[:, 1:])
    return in_word_BT * valid_mask(window.lengths_B, n_frames)
