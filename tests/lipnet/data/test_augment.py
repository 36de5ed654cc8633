"""Views of a batch: their bounds, and parity with a plain clip-by-clip computation."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from lipnet.cutting.window import find_window
from lipnet.data.augment import Draws, central_view, draw, random_view
from lipnet.data.batch import ClipBatch, View
from lipnet.data.masks import place_time_mask
from lipnet.recipe import Recipe
from lipnet.sources.lrw import make_clip


def make_batch(lengths: list[int], words: list[list[int]], size: int = 20) -> ClipBatch:
    rng = np.random.default_rng(len(lengths))
    frames = np.zeros((len(lengths), max(lengths), size, size), np.uint8)
    for row, length in enumerate(lengths):
        frames[row, :length] = rng.integers(1, 256, (length, size, size))
    return ClipBatch(
        torch.from_numpy(frames),
        torch.tensor(lengths),
        torch.arange(len(lengths)),
        torch.tensor(words),
    )


def view_at(batch: ClipBatch, recipe: Recipe, step: int) -> View:
    """The view of a batch at a step of the stream."""
    return random_view(batch, draw(recipe, len(batch.lengths_B), epoch=0, step=step), recipe)


def test_the_central_view_is_the_normalised_centre_with_zero_padding() -> None:
    batch = make_batch([5, 3], [[1, 2], [1, 2]], size=20)
    view = central_view(batch, Recipe(input_size=16))
    expected = (batch.frames_BTHW[:, :, 2:18, 2:18].double() / 255 - 0.421) / 0.165
    expected[1, 3:] = 0
    torch.testing.assert_close(view.frames_BTHW.double(), expected, atol=1e-5, rtol=0)
    assert view.share == 1.0


def test_the_same_step_gives_the_same_view() -> None:
    batch, recipe = make_batch([9, 7, 8], [[3, 5]] * 3), Recipe(input_size=16)
    views = [view_at(batch, recipe, 4) for _ in range(2)]
    assert torch.equal(views[0].frames_BTHW, views[1].frames_BTHW)
    assert views[0].share == views[1].share


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=5),
    st.integers(-3, 14),
    st.integers(0, 6),
    st.integers(0, 2**31),
)
def test_cuts_keep_the_word_and_stay_inside_the_clip(
    lengths: list[int], first: int, span: int, seed: int
) -> None:
    words = [
        [min(max(first, 0), n - 1), min(max(first, 0), n - 1) + min(span, n) or 1] for n in lengths
    ]
    words = [[a, max(a + 1, min(b, n))] for (a, b), n in zip(words, lengths, strict=True)]
    batch = make_batch(lengths, words)
    view = view_at(batch, Recipe(input_size=16, mixup=0), seed)
    for row, (length, word) in enumerate(zip(lengths, words, strict=True)):
        kept = int(view.lengths_B[row])
        assert word[1] - word[0] <= kept <= length
        assert torch.all(view.frames_BTHW[row, kept:] == 0)
        assert torch.all(view.frames_BTHW[row, :kept].abs().sum((1, 2)) > 0)


def test_each_random_view_is_a_crop_of_its_clip_flipped_or_not() -> None:
    batch = make_batch([6, 6, 6, 6], [[0, 6]] * 4)
    view = view_at(batch, Recipe(input_size=16, mixup=0), 1)
    pixels = (view.frames_BTHW * 0.165 + 0.421) * 255
    for row in range(4):
        clip = batch.frames_BTHW[row].float()
        crops = [clip[:, top : top + 16, left : left + 16] for top in range(5) for left in range(5)]
        errors = [
            float((pixels[row] - candidate).abs().max())
            for crop in crops
            for candidate in (crop, crop.flip(2))
        ]
        assert min(errors) < 0.01


def test_mixup_blends_partners_and_keeps_the_first_clips_length() -> None:
    batch = make_batch([6, 4, 5], [[0, 6], [0, 4], [0, 5]])
    plain = Recipe(input_size=16, mixup=0, flip=0, variable_length=False)
    mixed = Recipe(input_size=16, mixup=0.4, flip=0, variable_length=False)
    one = view_at(batch, plain, 9)
    two = view_at(batch, mixed, 9)
    partners = two.partner_labels_B  # labels are row numbers here
    blend = two.share * one.frames_BTHW + (1 - two.share) * one.frames_BTHW[partners]
    for row, length in enumerate([6, 4, 5]):
        assert torch.allclose(two.frames_BTHW[row, :length], blend[row, :length], atol=1e-6)
        assert torch.all(two.frames_BTHW[row, length:] == 0)


def test_mixup_shares_follow_their_beta_distribution() -> None:
    recipe = Recipe(input_size=16, mixup=0.4)
    shares = torch.tensor([draw(recipe, 2, epoch=0, step=step).share for step in range(4000)])
    beta = torch.distributions.Beta(0.4, 0.4)
    assert abs(float(shares.mean()) - 0.5) < 0.02
    assert abs(float(shares.var()) - float(beta.variance)) < 0.01


def make_lit_batch(lengths: list[int], words: list[list[int]]) -> ClipBatch:
    """Clips that are white during the word and the frame before, and black otherwise."""
    batch = make_batch(lengths, words)
    times_T = torch.arange(batch.frames_BTHW.shape[1])
    words_B2 = torch.tensor(words)
    lit_BT = (times_T >= words_B2[:, :1] - 1) & (times_T < words_B2[:, 1:])
    lit_BT &= times_T < batch.lengths_B[:, None]
    batch.frames_BTHW[:] = 255 * lit_BT[:, :, None, None]
    return batch


# A clip's length and its word, one frame or more, as shards hold them.
clips_with_words = st.integers(1, 12).flatmap(
    lambda length: st.tuples(
        st.just(length),
        st.lists(st.integers(0, length), min_size=2, max_size=2, unique=True).map(sorted),
    )
)


@pytest.mark.slow
@given(st.lists(clips_with_words, min_size=1, max_size=5))
def test_the_boundary_of_a_central_view_is_the_word_and_the_frame_before(
    clips: list[tuple[int, list[int]]],
) -> None:
    lengths, words = [length for length, _ in clips], [word for _, word in clips]
    view = central_view(make_batch(lengths, words), Recipe(input_size=16))
    assert view.word_BT.shape == view.frames_BTHW.shape[:2]
    for row, (_, (first, last)) in enumerate(clips):
        expected = [float(first - 1 <= time < last) for time in range(max(lengths))]
        assert view.word_BT[row].tolist() == expected


@pytest.mark.slow
@given(
    st.lists(clips_with_words, min_size=1, max_size=5),
    st.sampled_from((0.0, 0.4)),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_the_boundary_follows_the_frames_through_cut_flip_and_mixup(
    clips: list[tuple[int, list[int]]], mixup: float, cut: bool, seed: int
) -> None:
    batch = make_lit_batch([length for length, _ in clips], [word for _, word in clips])
    recipe = Recipe(input_size=16, mixup=mixup, variable_length=cut, mean=0.0, std=1.0)
    view = view_at(batch, recipe, seed)
    light_BT = view.frames_BTHW.mean((2, 3))
    torch.testing.assert_close(view.word_BT, light_BT, atol=1e-6, rtol=0)


def test_a_cut_keeps_the_whole_boundary() -> None:
    batch, recipe = make_batch([9, 9, 7], [[3, 6], [0, 2], [5, 7]]), Recipe(input_size=16, mixup=0)
    for seed in range(20):
        view = view_at(batch, recipe, seed)
        assert view.word_BT.sum(1).tolist() == [4, 2, 3]


def test_a_boundary_ends_where_its_clip_does() -> None:
    view = central_view(make_batch([4, 6], [[-2, 9], [5, 8]]), Recipe(input_size=16))
    assert view.word_BT.tolist() == [[1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]]


def test_the_boundary_of_a_clip_of_lrw_is_the_authors() -> None:
    """They mark the frames [mid - half - 1, mid + half + 1) of 29, as measured from their code."""
    window = find_window(make_clip("WORD/test/WORD_00001.mp4", 0.47, ""), 29)
    batch = make_batch([29], [[window.word_first, window.word_last]])
    marked_T = central_view(batch, Recipe(input_size=16)).word_BT[0]
    half = int(0.47 / 2 * 25)
    assert marked_T.nonzero().flatten().tolist() == list(range(14 - half - 1, 14 + half + 1))


@pytest.mark.slow
@given(st.lists(clips_with_words, min_size=1, max_size=5), st.integers(0, 2**31))
def test_a_share_of_the_clips_is_cut_and_the_others_stay_whole(
    clips: list[tuple[int, list[int]]], seed: int
) -> None:
    batch = make_batch([length for length, _ in clips], [word for _, word in clips])
    by_share = {
        share: view_at(batch, Recipe(input_size=16, mixup=0, cut_share=share), seed)
        for share in (0.0, 0.5, 1.0)
    }
    assert torch.equal(by_share[0.0].lengths_B, batch.lengths_B)
    some = by_share[0.5]
    for row, kept in enumerate(some.lengths_B.tolist()):
        same = [by_share[share].frames_BTHW[row, :kept] for share in (0.0, 1.0)]
        assert any(
            kept == int(by_share[share].lengths_B[row])
            and torch.equal(some.frames_BTHW[row, :kept], frames)
            for share, frames in zip((0.0, 1.0), same, strict=True)
        )


def test_the_share_of_cut_clips_is_the_recipes() -> None:
    recipe = Recipe(cut_share=0.25)
    cuts = torch.cat([draw(recipe, 16, epoch=0, step=step).cuts_B for step in range(500)])
    assert abs(float(cuts.double().mean()) - 0.25) < 0.02
    assert not draw(Recipe(variable_length=False), 16, epoch=0, step=0).cuts_B.any()


@pytest.mark.slow
@given(
    st.lists(clips_with_words, min_size=1, max_size=5),
    st.integers(0, 6),
    st.integers(0, 2**31),
)
def test_a_cut_leaves_the_least_context_that_the_clip_has(
    clips: list[tuple[int, list[int]]], context: int, seed: int
) -> None:
    batch = make_batch([length for length, _ in clips], [word for _, word in clips])
    view = view_at(batch, Recipe(input_size=16, mixup=0, min_context=context), seed)
    for row, (length, (first, last)) in enumerate(clips):
        marked = view.word_BT[row].nonzero().flatten()
        before = int(marked[0]) + (first > 0)  # the frame before the word is marked and never cut
        after = int(view.lengths_B[row]) - 1 - int(marked[-1])
        assert min(context, first) <= before <= first
        assert min(context, length - last) <= after <= length - last


@pytest.mark.slow
@given(st.lists(clips_with_words, min_size=1, max_size=5), st.integers(0, 12))
def test_evaluation_context_is_a_part_of_the_whole_view(
    clips: list[tuple[int, list[int]]], context: int
) -> None:
    batch = make_batch([length for length, _ in clips], [word for _, word in clips])
    whole = central_view(batch, Recipe(input_size=16))
    view = central_view(batch, Recipe(input_size=16, eval_context=context))
    for row, (length, (first, last)) in enumerate(clips):
        start, end = max(0, first - context), min(length, last + context)
        kept = int(view.lengths_B[row])
        assert kept == end - start
        assert torch.equal(view.frames_BTHW[row, :kept], whole.frames_BTHW[row, start:end])
        assert torch.all(view.frames_BTHW[row, kept:] == 0)
        assert torch.equal(view.word_BT[row, :kept], whole.word_BT[row, start:end])
    assert view.frames_BTHW.shape[1] == int(view.lengths_B.max())


def test_evaluation_context_leaves_a_frame_of_a_word_outside_its_clip() -> None:
    view = central_view(
        make_batch([4, 6], [[7, 9], [-4, -2]]), Recipe(input_size=16, eval_context=0)
    )
    assert view.lengths_B.tolist() == [1, 1]


@pytest.mark.slow
@given(
    st.lists(clips_with_words, min_size=1, max_size=5),
    st.sampled_from((0.1, 0.375, 1.0)),
    st.sampled_from((0.0, 0.4)),
    st.integers(0, 2**31),
)
def test_cutout_blanks_one_square_of_each_clip_in_all_of_its_frames(
    clips: list[tuple[int, list[int]]], cutout: float, mixup: float, seed: int
) -> None:
    batch = make_batch([length for length, _ in clips], [word for _, word in clips])
    batch.frames_BTHW[:] = 255  # no pixel is 0 after normalisation
    recipe = Recipe(input_size=16, mixup=mixup, cutout=cutout)
    draws = draw(recipe, len(clips), epoch=0, step=seed)
    view = random_view(batch, draws, recipe)
    share = view.share
    half = max(1, round(cutout * 16 / 2))
    white = (1 - recipe.mean) / recipe.std
    holes = []
    for row, column in (draws.holes_B2 * 16).long().tolist():
        hole = torch.ones(16, 16)
        hole[max(0, row - half) : row + half, max(0, column - half) : column + half] = 0
        holes.append(hole)
    for row, kept in enumerate(view.lengths_B.tolist()):
        partner = int(view.partner_labels_B[row])  # labels are row numbers here
        seen_THW = holes[row].expand(kept, 16, 16)
        if share < 1:
            # A partner's frames end with the partner's own window.
            end = int(random_length(batch, draws, recipe)[partner])
            mixed_THW = torch.zeros(kept, 16, 16)
            mixed_THW[:end] = holes[partner]
            seen_THW = share * seen_THW + (1 - share) * mixed_THW
        torch.testing.assert_close(
            view.frames_BTHW[row, :kept], white * seen_THW, atol=1e-5, rtol=0
        )


def random_length(batch: ClipBatch, draws: Draws, recipe: Recipe) -> torch.Tensor:
    """The lengths of the clips' windows."""
    return random_view(batch, draws, replace(recipe, mixup=0)).lengths_B


def test_a_micro_batch_has_the_squares_of_its_rows() -> None:
    recipe = Recipe(input_size=16, mixup=0.4, cutout=0.375)
    draws = draw(recipe, 6, epoch=0, step=3)
    needed_M, own = draws.rows(torch.tensor([4, 1]))
    assert torch.equal(own.holes_B2, draws.holes_B2[needed_M])


def test_without_cutout_a_view_is_what_it_was() -> None:
    batch, recipe = make_batch([6, 4], [[0, 6], [0, 4]]), Recipe(input_size=16)
    plain, cut = (view_at(batch, replace(recipe, cutout=own), 5) for own in (0.0, 0.375))
    differs_BT = (plain.frames_BTHW != cut.frames_BTHW).flatten(2).any(2)
    assert differs_BT[0].all()
    assert torch.equal(plain.lengths_B, cut.lengths_B)
    assert plain.share == cut.share


@settings(max_examples=30)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.sampled_from([1, 3, 20]),
    st.integers(0, 2**31),
)
def test_a_time_mask_replaces_frames_in_a_row_by_the_clips_mean(
    lengths: list[int], most: int, seed: int
) -> None:
    batch = make_batch(lengths, [[0, n] for n in lengths])
    plain = Recipe(input_size=16, mixup=0)
    masked = replace(plain, time_mask=most)
    before, after = (view_at(batch, own, seed).frames_BTHW for own in (plain, masked))
    for row, length in enumerate(lengths):
        changed = [t for t in range(length) if not torch.equal(before[row, t], after[row, t])]
        mean_HW = before[row, :length].double().mean(0).float()
        for frame in changed:
            torch.testing.assert_close(after[row, frame], mean_HW, atol=1e-5, rtol=0)
        assert changed == list(range(changed[0], changed[-1] + 1)) if changed else True
        assert len(changed) <= min(most, length)
        assert not after[row, length:].any()


def test_the_mean_of_a_clip_longer_than_the_view_is_that_of_its_frames_in_it() -> None:
    recipe = Recipe(input_size=16, time_mask=3)
    _, weights_MT = place_time_mask(torch.rand(2, 2), torch.tensor([20, 3]), 5, recipe)
    torch.testing.assert_close(weights_MT.sum(1), torch.ones(2))
    assert weights_MT.count_nonzero(1).tolist() == [5, 3]


@settings(max_examples=30)
@given(st.sampled_from([0.1, 0.4, 0.9]), st.integers(0, 2**31))
def test_brightness_scales_each_clips_pixels_up_to_white(brightness: float, seed: int) -> None:
    batch = make_batch([3, 2], [[0, 3], [0, 2]])
    plain = Recipe(input_size=16, mixup=0)
    recipe = replace(plain, brightness=brightness)
    draws = draw(recipe, 2, epoch=0, step=seed)
    before, after = (random_view(batch, draws, own) for own in (plain, recipe))
    for row, light in enumerate(draws.light_B.tolist()):
        kept = int(before.lengths_B[row])
        pixels = before.frames_BTHW[row, :kept].double() * 0.165 + 0.421
        expected = ((pixels * (1 + brightness * (2 * light - 1))).clamp(max=1) - 0.421) / 0.165
        found = after.frames_BTHW[row]
        torch.testing.assert_close(found[:kept].double(), expected, atol=1e-5, rtol=0)
        assert not found[kept:].any()


def test_time_masks_have_every_length_and_reach_every_frame() -> None:
    batch, recipe = make_batch([4], [[0, 4]]), Recipe(input_size=16, mixup=0, time_mask=2)
    plain = replace(recipe, time_mask=0)
    seen = set()
    for step in range(60):
        before, after = (view_at(batch, own, step).frames_BTHW for own in (plain, recipe))
        seen.add(tuple((before != after).flatten(2).any(2)[0].nonzero().flatten().tolist()))
    assert seen == {(), (0,), (1,), (2,), (3,), (0, 1), (1, 2), (2, 3)}


@settings(max_examples=30)
@given(st.sampled_from([0.1, 0.6, 0.99]), st.booleans(), st.integers(0, 2**31))
def test_a_resized_crop_is_a_rectangle_of_the_image(area: float, jitter: bool, seed: int) -> None:
    batch = make_batch([3, 2], [[0, 3], [0, 2]])
    plain = Recipe(input_size=16, mixup=0, jitter_scale=0.1 if jitter else 0.0)
    recipe = replace(plain, crop_area=area)
    before, after = (view_at(batch, own, seed) for own in (plain, recipe))
    draws = draw(recipe, 2, epoch=0, step=seed)
    for row, (of_area, of_sides, across, down) in enumerate(draws.crops_B4.double().tolist()):
        share = area + (1 - area) * of_area
        ratio = (3 / 4) ** (1 - 2 * of_sides)
        width, height = min(1, (share * ratio) ** 0.5), min(1, (share / ratio) ** 0.5)
        left, top = across * 16 * (1 - width), down * 16 * (1 - height)
        columns = left + (np.arange(16) + 0.5) * width - 0.5
        rows = top + (np.arange(16) + 0.5) * height - 0.5
        if jitter:  # the frame was scaled about its middle before the rectangle is cut out
            zoom = 1 + 0.1 * float(draws.noise_BF3[row, 0, 0])
            columns, rows = ((own - 7.5) / zoom + 7.5 for own in (columns, rows))
        at = np.stack(np.meshgrid(rows, columns, indexing="ij"))
        whole = random_view(batch, draws, replace(plain, jitter_scale=0.0))
        for frame in range(int(before.lengths_B[row])):
            source_HW = whole.frames_BTHW[row, frame].double().numpy()
            expected_HW = map_coordinates(source_HW, at, order=1, mode="nearest")
            found_HW = after.frames_BTHW[row, frame].double().numpy()
            np.testing.assert_allclose(found_HW, expected_HW, atol=5e-4)


@settings(max_examples=30)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.sampled_from([(2.0, 0.0), (0.0, 0.04), (3.0, 0.2)]),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_jitter_moves_and_scales_each_frame_as_a_pixel_by_pixel_computation(
    lengths: list[int], jitter: tuple[float, float], flip: bool, seed: int
) -> None:
    batch = make_batch(lengths, [[0, n] for n in lengths])
    plain = Recipe(input_size=16, field=32, mixup=0, flip=float(flip))
    recipe = replace(plain, jitter=jitter[0], jitter_scale=jitter[1])
    draws = draw(recipe, len(lengths), epoch=0, step=seed)
    before, after = (random_view(batch, draws, own) for own in (plain, recipe))
    assert torch.equal(before.lengths_B, after.lengths_B)
    for row, length in enumerate(before.lengths_B.tolist()):
        assert not after.frames_BTHW[row, length:].any()
        for frame in range(length):
            zoom, x, y = draws.noise_BF3[row, frame].tolist()
            expected = move(
                before.frames_BTHW[row, frame].double().numpy(),
                1 + zoom * jitter[1],
                x * jitter[0] * 16 / 32,
                y * jitter[0] * 16 / 32,
            )
            found = after.frames_BTHW[row, frame].double().numpy()
            np.testing.assert_allclose(found, expected, atol=2e-4)


def move(image_HW: np.ndarray, zoom: float, x: float, y: float) -> np.ndarray:
    """The image zoomed about its middle, then moved right and down, with its edges repeated."""
    size = len(image_HW)
    middle = (size - 1) / 2
    columns = (np.arange(size) - middle - x) / zoom + middle
    rows = (np.arange(size) - middle - y) / zoom + middle
    at = np.stack(np.meshgrid(rows, columns, indexing="ij"))
    return np.asarray(map_coordinates(image_HW, at, order=1, mode="nearest"))


def test_a_clip_has_one_scale_and_frames_of_their_own() -> None:
    noise_BF3 = draw(Recipe(), 4, epoch=0, step=1).noise_BF3
    assert (noise_BF3[:, :, 0] == noise_BF3[:, :1, 0]).all()
    assert noise_BF3[:, :, 1:].std(1).min() > 0.3
    assert noise_BF3.abs().max() <= 1


def test_jitter_changes_no_evaluation_and_no_other_draw() -> None:
    batch, recipe = make_batch([6, 4], [[0, 6], [0, 4]]), Recipe(input_size=16, mixup=0)
    jittered = replace(recipe, jitter=2.0, jitter_scale=0.04)
    one, other = (central_view(batch, own).frames_BTHW for own in (recipe, jittered))
    assert torch.equal(one, other)
    needed_M, own = draw(jittered, 6, epoch=0, step=3).rows(torch.tensor([4, 1]))
    assert torch.equal(own.noise_BF3, draw(recipe, 6, epoch=0, step=3).noise_BF3[needed_M])
