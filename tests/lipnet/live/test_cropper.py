"""Causal crops: past frames are averaged as training averages those to come."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lipnet.crops.align import MOUTH, STABLE, load_face
from lipnet.crops.crop import CropOptions, crop_matrices, crop_mouth
from lipnet.live.cropper import CausalCropper
from tests.lipnet.video.making import face_frame


def make_points(frames: int, seed: int) -> NDArray[np.float32]:
    """The reference face, moved, turned and shaken."""
    rng = np.random.default_rng(seed)
    moved = load_face() + np.cumsum(rng.normal(0, 2, (frames, 1, 2)), axis=0)
    return np.asarray(moved + rng.normal(0, 0.5, (frames, 68, 2)), np.float32)


def place_all(points_TP2: NDArray[np.float32], options: CropOptions) -> NDArray[np.float64]:
    cropper = CausalCropper(options, load_face())
    return np.stack([cropper.place(points_P2) for points_P2 in points_TP2])


def place_slowly(points_TP2: NDArray[np.float32], options: CropOptions) -> NDArray[np.float64]:
    """By solving for scale, turn and shift as a linear system, from the definition."""
    face_S2 = load_face()[list(STABLE)]
    matrices = []
    for t in range(len(points_TP2)):
        past = points_TP2[max(0, t + 1 - options.smooth) : t + 1, list(STABLE)].astype(np.float64)
        rows, wanted = [], []
        for (x, y), (u, v) in zip(past.mean(axis=0), face_S2, strict=True):
            rows += [[x, -y, 1, 0], [y, x, 0, 1]]
            wanted += [u, v]
        a, b, dx, dy = np.linalg.lstsq(np.array(rows), np.array(wanted), rcond=None)[0]
        turn = np.array([[a, -b], [b, a]])
        mouth = points_TP2[max(0, t + 1 - options.smooth_centre) : t + 1, MOUTH].astype(np.float64)
        centre = turn @ mouth.mean(axis=(0, 1)) + [dx, dy]
        shift = np.array([dx, dy]) + options.size / 2 - centre
        matrices.append(np.column_stack([turn, shift]))
    return np.stack(matrices)


@settings(max_examples=15)
@given(st.integers(1, 30), st.integers(0, 99), st.sampled_from([(12, 1), (1, 1), (5, 3), (40, 9)]))
def test_matrices_equal_those_of_an_independent_computation(
    frames: int, seed: int, smooth: tuple[int, int]
) -> None:
    points, options = make_points(frames, seed), CropOptions(96, *smooth)
    assert place_all(points, options) == pytest.approx(place_slowly(points, options), abs=1e-4)


def test_matrices_are_those_of_training_on_the_reversed_video() -> None:
    points, options = make_points(40, 1), CropOptions(smooth=12, smooth_centre=3)
    training = crop_matrices(points[::-1], load_face(), options)[::-1]
    assert place_all(points, options)[11:] == pytest.approx(training[11:], abs=1e-9)


def test_crops_of_a_still_face_are_those_of_training_and_a_reset_forgets() -> None:
    points, options = np.repeat(make_points(1, 2), 3, axis=0), CropOptions(size=48)
    cropper = CausalCropper(options, load_face())
    cropper.place(make_points(1, 3)[0] + 30)
    cropper.reset()
    crops = [cropper.cut(face_frame(), cropper.place(points_P2)) for points_P2 in points]
    matrices = crop_matrices(points, load_face(), options)
    assert np.array_equal(np.stack(crops), crop_mouth([face_frame()] * 3, matrices, 48))
