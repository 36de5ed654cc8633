"""A real face without a download: scikit-image's astronaut (NASA, public domain), in RGB."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

# H W pixels
PHOTO = np.ascontiguousarray(data.astronaut())
FACE = PHOTO[20:276, 100:356]  # the head and what is around it


@cache
def portrait(*, turn: float = 0.0, scale: float = 1.0) -> NDArray[np.uint8]:
    """The head, turned by degrees (clockwise) and scaled around the frame's centre."""
    matrix_23 = cv2.getRotationMatrix2D((127.5, 127.5), -turn, scale)
    return cv2.warpAffine(FACE, matrix_23, (256, 256), borderMode=cv2.BORDER_REPLICATE)


def moved(x: int, y: int) -> NDArray[np.uint8]:
    """The same part of the photograph with the head moved to the right and down."""
    return PHOTO[20 - y : 276 - y, 100 - x : 356 - x]


def black() -> NDArray[np.uint8]:
    """A frame that shows nothing."""
    return np.zeros((256, 256, 3), np.uint8)
