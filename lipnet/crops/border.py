"""The share of a crop that is outside of its frame, where the frame's edge is repeated."""

import numpy as np
from numpy.typing import NDArray

# T frames  N points of a grid on the crop
GRID = 16  # points per side


def share_outside(
    matrices_T23: NDArray[np.float64], shape_HW: tuple[int, ...], size: int
) -> NDArray[np.float64]:
    """The share of each frame's crop (matrices: frame to crop) that is outside of the frame."""
    steps = (np.arange(GRID) + 0.5) * size / GRID - 0.5
    grid_N2 = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    back_T22 = np.linalg.inv(matrices_T23[:, :, :2])
    source_TN2 = (grid_N2 - matrices_T23[:, None, :, 2]) @ np.swapaxes(back_T22, 1, 2)
    sides = np.array([shape_HW[1], shape_HW[0]])
    outside_TN = ((source_TN2 < -0.5) | (source_TN2 > sides - 0.5)).any(axis=-1)
    return np.asarray(outside_TN.mean(axis=1), np.float64)
