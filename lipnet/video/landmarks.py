"""Tracking one face's 68 landmarks through a video, with gaps filled and told apart."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from lipnet.errors import InputError
from lipnet.video.decode import Frame, VideoError
from lipnet.video.detector import Box, Detector, Face, shrink_frame

# T frames  H W pixels  P landmark points (68)
SAME_FACE = 0.3  # two boxes that overlap so much (intersection over union) hold one face
NEAR_MARGIN = 0.85  # of the box's width, on each side of its centre: where to look for it next
NEAR_SIZE = 96.0  # pixels; a face is shrunk to this before it is looked for near its last place
PREFERENCES = ("largest", "centre")


@dataclass(frozen=True)
class LandmarkOptions:
    """How landmarks are found; `predictor` is a path, empty for the installed model."""

    predictor: str = ""
    detect_every: int = 5
    retry_upsample: int = 1
    prefer: str = "largest"
    videos_per_shard: int = 64

    def __post_init__(self) -> None:
        if self.prefer not in PREFERENCES:
            raise InputError(f"unknown landmarks.prefer {self.prefer!r}; known: largest, centre")
        for name, least in (("detect_every", 1), ("retry_upsample", 0), ("videos_per_shard", 1)):
            if getattr(self, name) < least:
                raise InputError(f"landmarks.{name} is {getattr(self, name)}; at least {least}")


@dataclass(frozen=True)
class Track:
    """A face through a video: points (x, y), where they were seen rather than filled in, and the
    detector's score (between detections: interpolated; where the face was not seen: 0)."""

    points_TP2: NDArray[np.float32]
    seen_T: NDArray[np.bool_]
    score_T: NDArray[np.float32]


def track_landmarks(
    frames: Iterable[Frame], detector: Detector, options: LandmarkOptions | None = None
) -> Track:
    """The face's landmarks in every frame; VideoError "no_face" where no frame shows one.

    The detector runs on every `detect_every`-th frame and the last, the predictor on every
    frame whose box it or the interpolation between two detections gives.
    """
    options = options or LandmarkOptions()
    points: list[NDArray[np.float32] | None] = []
    scores: list[float] = []
    for frame, face in _follow(iter(frames), detector, options):
        points.append(None if face is None else detector.mark(frame, face.box))
        scores.append(0.0 if face is None else face.score)
    seen_T = np.array([point is not None for point in points], np.bool_)
    if not seen_T.any():
        raise VideoError("no_face", f"no face in any of {len(points)} frames")
    found = np.stack([point for point in points if point is not None])
    return Track(fill_gaps(found, seen_T), seen_T, np.array(scores, np.float32))


def fill_gaps(found_NP2: NDArray[np.float32], seen_T: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Points for all T frames from those of the seen ones: linear between, held at the ends."""
    at_N = np.flatnonzero(seen_T)
    times_T = np.arange(len(seen_T))
    flat = found_NP2.reshape(len(at_N), -1)
    filled = [np.interp(times_T, at_N, column) for column in flat.T]
    return np.stack(filled, axis=1).reshape(-1, *found_NP2.shape[1:]).astype(np.float32)


def _follow(
    frames: Iterator[Frame], detector: Detector, options: LandmarkOptions
) -> Iterator[tuple[Frame, Face | None]]:
    """Each frame with its face: group after group of frames, each ending in a detection."""
    group = list(islice(frames, 1))
    before: Face | None = None
    last_known: Face | None = None
    while group:
        after = _find_face(group[-1], detector, options, near=last_known)
        between = _between(group[:-1], before, after, detector, options)
        yield from zip(group, [*between, after], strict=True)
        before = after
        last_known = after or last_known
        group = list(islice(frames, options.detect_every))


def _between(
    frames: list[Frame],
    before: Face | None,
    after: Face | None,
    detector: Detector,
    options: LandmarkOptions,
) -> list[Face | None]:
    """Faces of the frames between two detections: interpolated where both found the same face,
    looked for in each frame where the face came, went or jumped, none where neither did."""
    if before is None and after is None:
        return [None] * len(frames)
    if before is None or after is None or overlap(before.box, after.box) < SAME_FACE:
        known = before or after
        return [_find_face(f, detector, options, near=known, retry=False) for f in frames]
    steps = [(place + 1) / (len(frames) + 1) for place in range(len(frames))]
    return [_blend(before, after, step) for step in steps]


def _blend(before: Face, after: Face, step: float) -> Face:
    left, top, right, bottom = (
        (1 - step) * a + step * b for a, b in zip(before.box, after.box, strict=True)
    )
    return Face((left, top, right, bottom), (1 - step) * before.score + step * after.score)


def _find_face(
    frame: Frame,
    detector: Detector,
    options: LandmarkOptions,
    *,
    near: Face | None,
    retry: bool = True,
) -> Face | None:
    """The face: first near its last place, then in the whole frame, then with upsampling."""
    if near is not None:
        faces = _look_near(frame, detector, near.box)
        if any(overlap(face.box, near.box) >= SAME_FACE for face in faces):
            return max(faces, key=lambda face: overlap(face.box, near.box))
    faces = detector.find(frame)
    if not faces and retry and options.retry_upsample:
        faces = detector.find(frame, upsample=options.retry_upsample)
    return _choose(faces, frame, options.prefer, near)


def _look_near(frame: Frame, detector: Detector, box: Box) -> list[Face]:
    """Faces in the box's surroundings, shrunk: a small part of the cost of a whole frame."""
    reach = NEAR_MARGIN * (box[2] - box[0])
    middle_x, middle_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    left, top = max(0, round(middle_x - reach)), max(0, round(middle_y - reach))
    part = frame[top : max(0, round(middle_y + reach)), left : max(0, round(middle_x + reach))]
    if not part.size:
        return []
    scale = min(1.0, NEAR_SIZE / max(1.0, box[2] - box[0]))
    found = detector.find(shrink_frame(part, scale))
    return [
        Face((b[0] / scale + left, b[1] / scale + top, b[2] / scale + left, b[3] / scale + top), s)
        for b, s in ((face.box, face.score) for face in found)
    ]


def _choose(faces: list[Face], frame: Frame, prefer: str, near: Face | None) -> Face | None:
    """The face that was followed so far if it is among them, else the preferred one."""
    if not faces:
        return None
    if near is not None:
        best = max(faces, key=lambda face: overlap(face.box, near.box))
        if overlap(best.box, near.box) >= SAME_FACE:
            return best
    if prefer == "largest":
        return max(faces, key=lambda face: _area(face.box))
    height, width = frame.shape
    return min(faces, key=lambda face: _distance(face.box, width / 2, height / 2))


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _distance(box: Box, x: float, y: float) -> float:
    return float(np.hypot((box[0] + box[2]) / 2 - x, (box[1] + box[3]) / 2 - y))


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    shared = _area(
        (
            max(one[0], other[0]),
            max(one[1], other[1]),
            min(one[2], other[2]),
            min(one[3], other[3]),
        )
    )
    return shared / max(_area(one) + _area(other) - shared, 1e-9)
