"""BlazeFace, MediaPipe's face detector: its input, its anchors, and its faces with six points."""
# N anchors or faces  P points of a face (6)

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.landmarks.face import Face
from lipnet.landmarks.finder import overlap
from lipnet.landmarks.litert import Network, NetworkFile
from lipnet.landmarks.predictor import Box
from lipnet.landmarks.region import Region
from lipnet.video.decode import Frame

FILE = NetworkFile(
    "face_detector.tflite", "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633"
)
GRIDS = ((16, 2), (8, 6))  # cells per side, and anchors per cell
EYES = slice(0, 2)  # of the six points; the others are nose, mouth and ears
MIN_SCORE = 0.5
SAME_FACE = 0.3  # detections that overlap by more are averaged
MAX_LOGIT = 100.0
FACE_MARGIN = 1.5  # side of the landmark network's region, relative to the face's box


@dataclass(frozen=True)
class Detection:
    """A face, and the region around it for the landmark network."""

    face: Face
    region: Region


class BlazeFace:
    """The detector; it finds faces of about an eighth of an RGB frame's width or more."""

    def __init__(self) -> None:
        self._network = Network(FILE)
        self._anchors_N2 = make_anchors()

    def find(self, frame: Frame) -> list[Detection]:
        """Every face of an RGB frame, best first."""
        whole = Region.of_frame(frame)
        image = whole.sample(frame, self._network.size, border=cv2.BORDER_CONSTANT)
        if image is None:
            return []
        rows_NV, logits_N1 = self._network(image / np.float32(127.5) - 1)
        corners_N42 = self._decode(rows_NV)
        score_N = _sigmoid(logits_N1[:, 0])
        return [_place(points, score, whole) for points, score in merge(corners_N42, score_N)]

    def _decode(self, rows_NV: NDArray[np.float32]) -> NDArray[np.float64]:
        """Top left, bottom right and the six points [N, 2 + P, 2] of each anchor's face, 0 to 1."""
        pairs = np.asarray(rows_NV, np.float64).reshape(len(rows_NV), -1, 2) / self._network.size
        centre, half, points = pairs[:, :1], pairs[:, 1:2] / 2, pairs[:, 2:]
        corners = np.concatenate([centre - half, centre + half, points], axis=1)
        return corners + self._anchors_N2[:, None]


def make_anchors() -> NDArray[np.float64]:
    """The anchors' centres [896, 2], 0 to 1, in the order of the network's rows."""
    grids = []
    for cells, per_cell in GRIDS:
        at = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(at, at, indexing="ij")
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), per_cell, axis=0))
    return np.concatenate(grids)


def merge(
    faces_N82: NDArray[np.float64], score_N: NDArray[np.float64]
) -> list[tuple[NDArray[np.float64], float]]:
    """Faces (their boxes' corners, then points) with their scores, best first: those that overlap
    the best are averaged by their scores, then the best of the rest, and so on."""
    left = [n for n in np.argsort(-score_N, kind="stable").tolist() if score_N[n] >= MIN_SCORE]
    merged = []
    while left:
        best = left[0]
        same = [n for n in left if overlap(_box(faces_N82[n]), _box(faces_N82[best])) > SAME_FACE]
        same = same or [best]  # a box without an area overlaps nothing
        merged.append((np.average(faces_N82[same], axis=0, weights=score_N[same]), score_N[best]))
        left = [n for n in left if n not in same]
    return [(points, float(score)) for points, score in merged]


def _place(unit_82: NDArray[np.float64], score: float, whole: Region) -> Detection:
    points_82 = whole.place(unit_82)
    eyes_22 = points_82[2:][EYES]
    region = Region.around(points_82[:2], margin=FACE_MARGIN, eyes_22=eyes_22)
    return Detection(Face(_box(points_82), score), region)


def _box(points_N2: NDArray[np.float64]) -> Box:
    (left, top), (right, bottom) = points_N2[:2].tolist()
    return left, top, right, bottom


def _sigmoid(logits_N: NDArray[np.float32]) -> NDArray[np.float64]:
    clipped = np.clip(logits_N.astype(np.float64), -MAX_LOGIT, MAX_LOGIT)
    return np.asarray(1 / (1 + np.exp(-clipped)))
