"""Finding one face in a frame: near its last box, then anywhere, then with more effort."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lipnet.landmarks.face import Detector, Face, shrink_frame
from lipnet.landmarks.options import LARGEST
from lipnet.landmarks.predictor import Box
from lipnet.video.decode import Frame

SAME_FACE = 0.3  # boxes with at least this overlap (intersection over union) show one face
NEAR_MARGIN = 0.7  # of the box's width, on each side of its centre: where it is searched next
NEAR_SIZE = (
    90.0  # pixels; a face is shrunk to this for that search (dlib finds faces of 80 or more)
)


@dataclass(frozen=True)
class Finder:
    """A detector, which of several faces is preferred, and the upsampling after a miss."""

    detector: Detector
    prefer: str = LARGEST
    retry_upsample: int = 1

    def find(self, frame: Frame, *, near: Face | None, retry: bool = True) -> Face | None:
        """The face: searched near its last box, then in the whole frame, then (retry) upsampled
        and by the detector's slower search."""
        if near is not None:
            faces = self._find_near(frame, near.box)
            if any(overlap(face.box, near.box) >= SAME_FACE for face in faces):
                return max(faces, key=lambda face: overlap(face.box, near.box))
        faces = self.detector.find(frame)
        if not faces and retry:
            faces = [replace(face, hard=True) for face in self._find_hard(frame)]
        return choose_face(faces, frame.shape, prefer=self.prefer, near=near)

    def _find_hard(self, frame: Frame) -> list[Face]:
        """Faces found upsampled, or else by the detector's slower search."""
        upsample = self.retry_upsample
        faces = self.detector.find(frame, upsample=upsample) if upsample else []
        return faces or self.detector.find_hard(frame)

    def _find_near(self, frame: Frame, box: Box) -> list[Face]:
        """Faces around the box, shrunk: this costs much less than a whole frame."""
        reach = NEAR_MARGIN * (box[2] - box[0])
        middle_x, middle_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        left, top = max(0, round(middle_x - reach)), max(0, round(middle_y - reach))
        part = frame[top : max(0, round(middle_y + reach)), left : max(0, round(middle_x + reach))]
        if not part.size:
            return []
        scale = min(1.0, NEAR_SIZE / max(1.0, box[2] - box[0]))
        found = self.detector.find(shrink_frame(part, scale))
        return [Face(_unshrink(face.box, scale, left, top), face.score) for face in found]


def choose_face(
    faces: Sequence[Face], shape: Sequence[int], *, prefer: str, near: Face | None
) -> Face | None:
    """Of the faces in a frame of this shape [H, W, ...], the one that was followed so far if it is
    among them, else the preferred one; None if there are none."""
    if not faces:
        return None
    if near is not None:
        best = max(faces, key=lambda face: overlap(face.box, near.box))
        if overlap(best.box, near.box) >= SAME_FACE:
            return best
    if prefer == LARGEST:
        return max(faces, key=lambda face: _area(face.box))
    height, width = shape[:2]
    return min(faces, key=lambda face: _distance(face.box, width / 2, height / 2))


def blend(before: Face, after: Face, weight: float) -> Face:
    """The linear interpolation between two faces; `weight` 0 is the first, 1 the second."""
    left, top, right, bottom = (
        (1 - weight) * a + weight * b for a, b in zip(before.box, after.box, strict=True)
    )
    score = (1 - weight) * before.score + weight * after.score
    return Face((left, top, right, bottom), score, before.hard or after.hard)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right, bottom = min(one[2], other[2]), min(one[3], other[3])
    shared = _area((left, top, right, bottom))
    return shared / max(_area(one) + _area(other) - shared, 1e-9)


def _unshrink(box: Box, scale: float, left: int, top: int) -> Box:
    x_1, y_1, x_2, y_2 = (side / scale for side in box)
    return x_1 + left, y_1 + top, x_2 + left, y_2 + top


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _distance(box: Box, x: float, y: float) -> float:
    return float(np.hypot((box[0] + box[2]) / 2 - x, (box[1] + box[3]) / 2 - y))
