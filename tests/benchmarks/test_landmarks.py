"""The comparison of landmark models: a known change of the crops is measured as such."""

import numpy as np
import pytest

from benchmarks.landmarks import Tracked, compare_crops
from lipnet.landmarks.store import Track

TURN = np.array([[0.8, -0.6], [0.6, 0.8]])


def test_crops_that_are_shifted_and_scaled_differ_by_that() -> None:
    one = np.concatenate([TURN, [[5.0], [7.0]]], axis=1)
    # The second crop is 0.9 times as large, around a place 3 pixels to the right in the first.
    other = 0.9 * one
    other[:, 2] += 48 - 0.9 * np.array([51.0, 48.0])
    scales_T, shifts_T2 = compare_crops(one[None], other[None], 96)
    assert scales_T == pytest.approx([0.9])
    np.testing.assert_allclose(shifts_T2, [[3.0, 0.0]], atol=1e-9)


def test_jitter_is_in_pixels_of_the_crop() -> None:
    points = np.zeros((5, 68, 2), np.float32)
    points[2, 48:, 0] = 4  # one jump of the mouth
    track = Track(points, np.ones(5, np.bool_), np.ones(5, np.float32))
    half = np.repeat(np.array([[[0.5, 0, 0], [0, 0.5, 0]]]), 5, axis=0)
    stable_T, mouth_T = Tracked(track, half, 1.0, 5).jitter
    assert stable_T.tolist() == [0, 0, 0]
    assert mouth_T.tolist() == [1, 2, 1]
