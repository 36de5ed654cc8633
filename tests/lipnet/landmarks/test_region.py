"""Regions: samples lie where points are placed, without rounding, at any turn and beyond edges."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.landmarks.region import Region

# H W pixels
Y, X = np.mgrid[0:120, 0:160]
RAMPS = np.stack([X, Y, X + Y], axis=-1).astype(np.uint8)  # bilinear sampling of it is exact


def unit_grid(size: int) -> np.ndarray:
    at = (np.arange(size) + 0.5) / size
    y, x = np.meshgrid(at, at, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


@given(
    x=st.floats(60, 100), y=st.floats(50, 70), side=st.floats(8, 60), angle=st.floats(-4, 4),
    size=st.integers(1, 24),
)  # fmt: skip
def test_a_sample_has_the_values_of_its_places(
    x: float, y: float, side: float, angle: float, size: int
) -> None:
    region = Region(x, y, side, angle)
    sampled = region.sample(RAMPS, size, border=cv2.BORDER_REPLICATE)
    assert sampled is not None
    places_N2 = region.place(unit_grid(size))
    np.testing.assert_allclose(sampled[..., :2].reshape(-1, 2), places_N2, atol=2e-3)


def test_a_whole_square_frame_is_sampled_as_it_is() -> None:
    frame = RAMPS[:120, :120]
    sampled = Region.of_frame(frame).sample(frame, 120, border=cv2.BORDER_CONSTANT)
    np.testing.assert_array_equal(sampled, frame)


def test_the_shorter_side_of_a_frame_is_padded() -> None:
    white = np.full((60, 120, 3), 255, np.uint8)
    sampled = Region.of_frame(white).sample(white, 120, border=cv2.BORDER_CONSTANT)
    assert sampled is not None
    assert (sampled[:29] == 0).all()
    assert (sampled[31:89] == 255).all()
    assert (sampled[91:] == 0).all()


def test_beyond_the_frame_its_edge_is_repeated_or_there_is_nothing() -> None:
    over = Region(0, 60, 20).sample(RAMPS, 20, border=cv2.BORDER_REPLICATE)
    assert over is not None
    np.testing.assert_array_equal(over[:, :10, 0], 0)
    assert Region(-60, 60, 20).sample(RAMPS, 20, border=cv2.BORDER_REPLICATE) is None


def test_the_region_around_points_is_level_with_the_eyes() -> None:
    points = np.array([[10.0, 20.0], [50.0, 40.0]])
    eyes = np.array([[20.0, 20.0], [30.0, 30.0]])
    region = Region.around(points, margin=1.5, eyes_22=eyes)
    assert (region.x, region.y, region.side) == (30.5, 30.5, 60.0)
    assert region.angle == pytest.approx(math.pi / 4)
    left, right = region.place(np.array([[0.4, 0.5], [0.6, 0.5]]))
    np.testing.assert_allclose(np.diff([left, right], axis=0)[0], [12 / 2**0.5, 12 / 2**0.5])
