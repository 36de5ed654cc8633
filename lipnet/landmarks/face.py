"""Face: one face in a frame, and the protocol of detectors that find faces in grey frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.landmarks.predictor import Box, Marks

# H W pixels  P landmark points (68)
POINTS = 68


@dataclass(frozen=True, slots=True)
class Face:
    """A face's box in pixels, the detector's score, and whether only the second, slower search
    found it."""

    box: Box
    score: float
    hard: bool = False


Seen = tuple[Face, NDArray[np.float32]]  # a face and its points [P, 2]


class Detector(Protocol):
    """Finds faces in a grey frame, and the landmarks of faces in given boxes."""

    def find(self, frame_HW: NDArray[np.uint8], *, upsample: int = 0) -> list[Face]: ...

    def find_hard(self, frame_HW: NDArray[np.uint8]) -> list[Face]: ...

    def mark(self, frames: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]) -> Marks: ...


def shrink_frame(frame_HW: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """The frame at `scale` <= 1 by area averaging, at least one pixel per side."""
    if scale >= 1:
        return np.ascontiguousarray(frame_HW)
    height, width = (max(1, round(side * scale)) for side in frame_HW.shape)
    shrunk = cv2.resize(frame_HW, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.uint8)
