"""Finding faces and their 68 points in one grey frame: the Detector protocol, and dlib's."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from lipnet.errors import InputError

# H W pixels  P landmark points (68)
POINTS = 68
PREDICTOR = "shape_predictor_68_face_landmarks.dat"
LONGEST_SIDE = 640  # pixels; larger frames are shrunk for the detector, not for the predictor

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Face:
    """A face's box in pixels and the detector's confidence in it."""

    box: Box
    score: float


class Detector(Protocol):
    """Finds faces in a grey frame, and a face's landmarks in its box."""

    def find(self, frame_HW: NDArray[np.uint8], *, upsample: int = 0) -> list[Face]: ...

    def mark(self, frame_HW: NDArray[np.uint8], box: Box) -> NDArray[np.float32]: ...


def find_predictor(path: str = "") -> Path:
    """The landmark model at `path`, or the installed one where `path` is empty."""
    if path:
        found = Path(path)
    else:
        package = importlib.util.find_spec("face_recognition_models")
        places = package.submodule_search_locations if package else None
        if not places:
            raise InputError(
                "the package face_recognition_models is not installed: install it, or set "
                f"landmarks.predictor to a {PREDICTOR}"
            )
        found = Path(places[0]) / "models" / PREDICTOR
    if not found.is_file():
        raise InputError(f"no landmark model at {found}; set landmarks.predictor to a {PREDICTOR}")
    return found


class DlibDetector:
    """dlib's HOG detector and its regression-tree landmarks; loads once, then holds 80 MB."""

    def __init__(self, predictor: Path) -> None:
        self._find = dlib.get_frontal_face_detector()
        try:
            self._mark = dlib.shape_predictor(str(predictor))
        except RuntimeError as error:
            raise InputError(f"{predictor} is no dlib landmark model: {error}") from error
        if self._mark(np.zeros((8, 8), np.uint8), dlib.rectangle(0, 0, 7, 7)).num_parts != POINTS:
            raise InputError(f"{predictor} does not mark {POINTS} points; use {PREDICTOR}")

    def find(self, frame_HW: NDArray[np.uint8], *, upsample: int = 0) -> list[Face]:
        """Every face of 80 pixels or more (half as many with each upsampling), best first."""
        scale = min(1.0, LONGEST_SIDE / max(frame_HW.shape))
        seen_HW = shrink_frame(frame_HW, scale)
        boxes, scores, _ = self._find.run(seen_HW, upsample, 0.0)
        return [
            Face((b.left() / scale, b.top() / scale, b.right() / scale, b.bottom() / scale), score)
            for b, score in zip(boxes, scores, strict=True)
        ]

    def mark(self, frame_HW: NDArray[np.uint8], box: Box) -> NDArray[np.float32]:
        """The 68 points (x, y) of the face in `box`."""
        shape = self._mark(frame_HW, dlib.rectangle(*(round(side) for side in box)))
        return np.array([(point.x, point.y) for point in shape.parts()], np.float32)


def shrink_frame(frame_HW: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """The frame at `scale` <= 1 by area averaging, at least one pixel a side."""
    if scale >= 1:
        return np.ascontiguousarray(frame_HW)
    height, width = (max(1, round(side * scale)) for side in frame_HW.shape)
    shrunk = cv2.resize(frame_HW, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.uint8)
