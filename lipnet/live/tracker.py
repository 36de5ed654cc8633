"""Tracking one face through a stream: landmarks frame by frame, without looking ahead."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lipnet.landmarks.face import Face
from lipnet.landmarks.finder import SAME_FACE, Finder, overlap
from lipnet.landmarks.follow import STEADY, STRAIN, STRAY
from lipnet.landmarks.mesh import MeshModel, MeshTracker
from lipnet.landmarks.predictor import Box
from lipnet.video.decode import Frame, Pixels

# H W pixels  P landmark points (68)
DETECT_EVERY = 10  # frames between two detections while the face is followed
SEARCH_EVERY = 5  # frames between two searches of the whole frame while no face is known
RETRY_EVERY = 5  # searches, of which one also looks for small faces


@dataclass(frozen=True)
class Sighting:
    """The face in a frame: its box and points (x, y), and whether it is not the face before."""

    box: Box
    points_P2: NDArray[np.float32]
    is_new: bool = False


class FrameTracker(Protocol):
    """Follows one face; frames come in order, one call each, with the `pixels` that it needs."""

    @property
    def pixels(self) -> Pixels: ...

    def track(self, frame: Frame, /) -> Sighting | None:
        """The face in the next frame, None if it is not seen."""
        ...


@dataclass(frozen=True)
class _Anchor:
    """A detection: the face, the middle of its nose and eyes, and the strain of its points."""

    face: Face
    steady_2: NDArray[np.float64]
    strain: float


class DetectorTracker:
    """A FrameTracker of a detector and a predictor, such as dlib's.

    Between two detections the box moves with nose and eyes. A detection is made at once if these
    leave their place in the box, or if the points form an odd shape, as in `follow_face`.
    """

    pixels: Pixels = "grey"

    def __init__(self, finder: Finder, detect_every: int = DETECT_EVERY) -> None:
        self._finder = finder
        self._detect_every = detect_every
        self._known: Face | None = None  # the last face seen, also after it was lost
        self._anchor: _Anchor | None = None
        self._steady_2 = np.zeros(2)
        self._since = 0  # frames since the last detection, or since the last search
        self._searches = 0

    def track(self, frame_HW: Frame) -> Sighting | None:
        """The face in the next frame, None if it is not seen."""
        self._since += 1
        if self._anchor is None:
            return self._search(frame_HW)
        if self._since < self._detect_every:
            sighting = self._follow(frame_HW, self._anchor)
            if sighting is not None:
                return sighting
        return self._detect(frame_HW, near=self._move(self._anchor), retry=False)

    def _search(self, frame_HW: Frame) -> Sighting | None:
        """Look for a face, in some of the frames only: it takes as long as several frames."""
        if self._searches and self._since < SEARCH_EVERY:
            return None
        retry = self._searches % RETRY_EVERY == 0
        self._searches += 1
        return self._detect(frame_HW, near=self._known, retry=retry)

    def _detect(self, frame_HW: Frame, *, near: Face | None, retry: bool) -> Sighting | None:
        self._since = 0
        face = self._finder.find(frame_HW, near=near, retry=retry)
        if face is None:
            self._anchor = None
            return None
        is_new = near is None or overlap(near.box, face.box) < SAME_FACE
        points_P2, strain = self._mark(frame_HW, face.box)
        self._steady_2 = _middle(points_P2)
        self._anchor = _Anchor(face, self._steady_2, strain)
        self._known, self._searches = face, 0
        return Sighting(face.box, points_P2, is_new)

    def _follow(self, frame_HW: Frame, anchor: _Anchor) -> Sighting | None:
        """The points in the moved box; None if the face has to be detected again."""
        face = self._move(anchor)
        points_P2, strain = self._mark(frame_HW, face.box)
        steady_2 = _middle(points_P2)
        width = face.box[2] - face.box[0]
        # The box moved with nose and eyes, so that they are expected where they were.
        if np.linalg.norm(steady_2 - self._steady_2) / width > STRAY:
            return None
        if strain > max(STRAIN, 1.25 * anchor.strain):
            return None
        self._steady_2, self._known = steady_2, face
        return Sighting(face.box, points_P2)

    def _move(self, anchor: _Anchor) -> Face:
        shift_x, shift_y = self._steady_2 - anchor.steady_2
        left, top, right, bottom = anchor.face.box
        box = (left + shift_x, top + shift_y, right + shift_x, bottom + shift_y)
        return Face(box, anchor.face.score, anchor.face.hard)

    def _mark(self, frame_HW: Frame, box: Box) -> tuple[NDArray[np.float32], float]:
        marks = self._finder.detector.mark([frame_HW], [box])
        return marks.points_NP2[0], float(marks.strain_N[0])


class MeshFollower:
    """A FrameTracker of the landmark model `mesh`, which follows faces frame by frame anyway."""

    pixels: Pixels = "rgb"

    def __init__(self, model: MeshModel) -> None:
        self._tracker = MeshTracker(model)
        self._known: Face | None = None

    def track(self, frame_HWC: Frame) -> Sighting | None:
        """The face in the next frame, None if it is not seen."""
        seen = self._tracker.step(frame_HWC)
        if seen is None:
            return None
        face, points_P2 = seen
        is_new = self._known is None or overlap(self._known.box, face.box) < SAME_FACE
        self._known = face
        return Sighting(face.box, points_P2, is_new)


def _middle(points_P2: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(points_P2[STEADY].mean(axis=0, dtype=np.float64))
