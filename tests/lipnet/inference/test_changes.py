"""Changes of crops: each against an independent computation, pixel by pixel or frame by frame."""

import numpy as np
import pytest

from lipnet.inference.changes import CHANGES, film_at, scale_brightness, scale_size, shift_crops

# T frames  H W pixels


@pytest.fixture
def crops_THW() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (7, 12, 12)).astype(np.uint8)


def test_brightness_is_a_factor_up_to_white(crops_THW: np.ndarray) -> None:
    for factor in (0.6, 1.5):
        expected = [min(255, round(int(pixel) * factor)) for pixel in crops_THW.flat]
        assert scale_brightness(crops_THW, factor).flatten().tolist() == expected


def test_a_shift_moves_whole_pixels_and_repeats_the_edge(crops_THW: np.ndarray) -> None:
    moved = shift_crops(crops_THW, right=4, down=-2)
    assert np.array_equal(moved[:, :-2, 4:], crops_THW[:, 2:, :-4])
    assert np.array_equal(moved[:, :-2, :4], crops_THW[:, 2:, :1].repeat(4, axis=2))
    assert np.array_equal(moved[:, -1, 4:], crops_THW[:, -1, :-4])


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_scale_enlarges_about_the_middle(factor: float) -> None:
    ramp = np.tile(np.arange(0, 200, 10, dtype=np.uint8), (1, 20, 1))
    middle = (ramp.shape[2] - 1) / 2
    found = scale_size(ramp, factor)[0, 5, 3:-3].astype(float)
    expected = [10 * ((x - middle) / factor + middle) for x in range(3, 17)]
    assert np.abs(found - expected).max() < 1


def nearest(moment: float, fps: float) -> int:
    """The camera's frame that is nearest to a moment; of two equally near ones the earlier."""
    return min(range(100), key=lambda frame: (round(abs(frame / fps - moment), 9), frame))


@pytest.mark.parametrize("fps", [20, 30])
def test_another_frame_rate_shows_the_nearest_frame_of_that_camera(fps: int) -> None:
    frames = np.arange(0, 240, 10, dtype=np.uint8)  # pixels are ten times the time in frames
    found = film_at(np.tile(frames[:, None, None], (1, 2, 2)), fps)[:, 0, 0].tolist()
    moments = [25 * nearest(t / 25, fps) / fps for t in range(len(frames))]
    assert found == [round(10 * min(moment, len(frames) - 1)) for moment in moments]


def test_filming_at_the_same_rate_changes_nothing(crops_THW: np.ndarray) -> None:
    assert np.array_equal(film_at(crops_THW, 25), crops_THW)


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_keeps_the_clips_shape_and_changes_it(
    name: str, crops_THW: np.ndarray
) -> None:
    before = crops_THW.copy()
    changed = CHANGES[name](crops_THW)
    assert (changed.shape, changed.dtype) == (crops_THW.shape, np.uint8)
    assert not np.array_equal(changed, crops_THW)
    assert np.array_equal(crops_THW, before)
    assert CHANGES[name](crops_THW[:1]).shape == (1, 12, 12)
