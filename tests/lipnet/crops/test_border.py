"""The share of a crop outside of its frame, against counting pixels of a warp."""

import cv2
import numpy as np
import pytest

from lipnet.crops.border import share_outside


@pytest.mark.parametrize(
    ("shift", "expected"), [((0, 0), 0.0), ((48, 0), 0.5), ((-48, 48), 0.75), ((500, 0), 1.0)]
)
def test_a_shifted_window_leaves_the_frame_by_its_share(
    shift: tuple[int, int], expected: float
) -> None:
    matrix = np.array([[[1.0, 0, shift[0]], [0, 1, shift[1]]]])
    assert share_outside(matrix, (96, 96), 96)[0] == pytest.approx(expected)


def test_turned_and_scaled_windows_agree_with_a_warp() -> None:
    rng = np.random.default_rng(3)
    angles, scales = rng.uniform(-0.5, 0.5, 20), rng.uniform(0.3, 2, 20)
    turn = scales * np.exp(1j * angles)
    shift = rng.uniform(-60, 60, (20, 2))
    rows = [[turn.real, -turn.imag, shift[:, 0]], [turn.imag, turn.real, shift[:, 1]]]
    matrices = np.moveaxis(np.array(rows), -1, 0)
    counted = [
        1 - cv2.warpAffine(np.ones((120, 160), np.float32), matrix, (96, 96)).mean()
        for matrix in matrices
    ]
    found = share_outside(matrices, (120, 160), 96)
    assert np.abs(found - counted).max() < 0.04
    assert found.min() < 0.1 < found.max()
