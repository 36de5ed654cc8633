"""Small videos with known contents, and a detector that needs no dlib."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.crops.align import load_face
from lipnet.landmark_names import DLIB
from lipnet.landmarks.face import Face, Seen
from lipnet.landmarks.follow import follow_face
from lipnet.landmarks.options import LandmarkOptions
from lipnet.landmarks.predictor import Box, Marks

# H W pixels  P landmark points (68)
SIDE = 96
BRIGHT = 150


def flat_frame(level: int, side: int = SIDE) -> NDArray[np.uint8]:
    return np.full((side, side), level, np.uint8)


def face_frame(left: int = 20, top: int = 20, width: int = 50) -> NDArray[np.uint8]:
    """A bright square, which FakeDetector takes for a face, on grey."""
    frame = flat_frame(40)
    frame[top : top + width, left : left + width] = 220
    return frame


def write_video(path: Path, frames: Iterable[NDArray[np.uint8]], fps: float = 25.0) -> Path:
    """An mp4 of grey frames."""
    listed = list(frames)
    height, width = listed[0].shape
    path.parent.mkdir(parents=True, exist_ok=True)
    code = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), code, fps, (width, height))
    for frame in listed:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


def write_faces(path: Path, frames: int = 29, *, fps: float = 25.0) -> Path:
    """A video of a "face" that drifts to the right."""
    return write_video(path, [face_frame(left=10 + t // 2) for t in range(frames)], fps)


def fit_face(box: Box) -> NDArray[np.float64]:
    """The reference face's 68 points, stretched to fill the box."""
    face = load_face()
    unit_P2 = (face - face.min(axis=0)) / np.ptp(face, axis=0)
    size = np.array([box[2] - box[0], box[3] - box[1]])
    return np.asarray(np.array(box[:2]) + unit_P2 * size, np.float64)


class FakeDetector:
    """Takes the bright pixels for a face; `wanted_upsample` of them for one hard to see. It stands
    for dlib, and follows a face as dlib's detector does."""

    name = DLIB
    pixels = "grey"

    def __init__(self, wanted_upsample: int = 0) -> None:
        self.wanted_upsample = wanted_upsample
        self.calls: list[tuple[tuple[int, ...], int]] = []

    def find(self, frame_HW: NDArray[np.uint8], *, upsample: int = 0) -> list[Face]:
        self.calls.append((frame_HW.shape, upsample))
        rows, columns = np.nonzero(frame_HW > BRIGHT)
        if not len(rows) or upsample < self.wanted_upsample:
            return []
        box = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        left, top, right, bottom = map(float, box)
        return [Face((left, top, right, bottom), 1.5)]

    def find_hard(self, frame_HW: NDArray[np.uint8]) -> list[Face]:
        return []

    def mark(self, frames: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]) -> Marks:
        points = np.stack([np.zeros((68, 2)), *map(fit_face, boxes)])[1:]
        return Marks(points.astype(np.float32), np.zeros(len(boxes), np.float32))

    def follow(
        self, frames: Iterable[NDArray[np.uint8]], options: LandmarkOptions
    ) -> Iterator[Seen | None]:
        return follow_face(frames, self, options)
