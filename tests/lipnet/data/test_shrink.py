"""Shrinking crops: area averages of their centre."""

import numpy as np

from lipnet.data.shrink import Shrink

CROPS = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8)


def test_shrinking_averages_areas() -> None:
    blocks = CROPS.reshape(2, 4, 2, 4, 2).mean((2, 4))
    assert np.abs(Shrink(8, 4)(CROPS) - blocks).max() <= 0.5


def test_the_centre_is_kept() -> None:
    assert np.array_equal(Shrink(4, 4)(CROPS), CROPS[:, 2:6, 2:6])


def test_crops_of_the_right_size_pass_through() -> None:
    assert Shrink(8, 8)(CROPS) is CROPS
