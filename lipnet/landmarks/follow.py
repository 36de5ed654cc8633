"""Following a face through spans of frames: a detection every few frames, interpolated boxes
between two, and further detections if the landmarks stray from their boxes."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np

from lipnet.landmarks.face import POINTS, Detector, Face, Seen
from lipnet.landmarks.finder import SAME_FACE, Finder, blend, overlap
from lipnet.landmarks.options import LandmarkOptions
from lipnet.video.decode import Frame

# T frames  P landmark points (68)
MAX_SPAN = 80  # frames that the predictor marks at once
SPAN_BYTES = 32 << 20  # of frames in memory
STEADY = slice(27, 48)  # nose and eyes: speaking does not move them
# The predictor tolerates a box that is off by 0.1 of its width, and loses the face at 0.15. A face
# that strays from the interpolated boxes is noticed before that.
STRAY = 0.08  # of the box's width, from the expected position of the face in its box
JUMP = 0.06  # of the box's width, from one frame to the next, relative to the box
STRAIN = 0.055  # Marks.strain_N; at most 0.045 for a face seen from the front


def follow_face(
    frames: Iterable[Frame], detector: Detector, options: LandmarkOptions
) -> Iterator[Seen | None]:
    """The face and its points in each frame, None if it is not seen.

    The detector runs on every `detect_every`-th frame and the last, and between two of them if the
    face strays from the interpolated boxes; the points are marked in every frame with the face.
    """
    finder = Finder(detector, options.prefer, options.retry_upsample)
    known: Face | None = None
    carried: list[Face | None] = []
    for frames_T in split_spans(frames, options.detect_every):
        span = _Span(frames_T, finder, known)
        span.follow(carried, options.detect_every)
        yield from span.seen()[len(carried) :]
        known, carried = span.known, span.faces[-1:]


def split_spans(frames: Iterable[Frame], detect_every: int) -> Iterator[list[Frame]]:
    """The frames in lists, each but the first starting with the last frame of the previous one."""
    span: list[Frame] = []
    carried = 0
    for frame in frames:
        span.append(frame)
        fitting = min(MAX_SPAN, SPAN_BYTES // max(1, frame.nbytes))
        if len(span) > max(detect_every, fitting // detect_every * detect_every):
            yield span
            span, carried = span[-1:], 1
    if len(span) > carried:
        yield span


class _Span:
    """Frames, the face found in each and its points."""

    def __init__(self, frames: list[Frame], finder: Finder, known: Face | None) -> None:
        self._frames = frames
        self._finder = finder
        self._known = known
        self.faces: list[Face | None] = [None] * len(frames)
        self._points_TP2 = np.zeros((len(frames), POINTS, 2), np.float32)
        self._strain_T = np.zeros(len(frames), np.float32)

    @property
    def known(self) -> Face | None:
        """The last face seen in these frames, or else the last one before them."""
        return next(filter(None, reversed(self.faces)), self._known)

    def seen(self) -> list[Seen | None]:
        """Each frame's face and points."""
        pairs = zip(self.faces, self._points_TP2, strict=True)
        return [None if face is None else (face, points_P2) for face, points_P2 in pairs]

    def follow(self, carried: list[Face | None], detect_every: int) -> None:
        """Find and mark the face in all frames; `carried` are the faces of the first frames."""
        last = len(self._frames) - 1
        stops = sorted({*range(0, last, detect_every), last})
        self.faces[: len(carried)] = carried
        for stop in stops[len(carried) :]:
            self.faces[stop] = self._find(stop, self.known, retry=True)
        gaps = [gap for gap in pairwise(stops) if self._bridge(*gap)]
        self._mark(range(len(self._frames)))
        while gaps := [gap for gap in gaps if self._strays(*gap)]:
            changed = [frame for first, last in gaps for frame in range(first + 1, last)]
            gaps = [half for gap in gaps for half in self._split(*gap)]
            self._mark(changed)

    def _find(self, frame: int, near: Face | None, *, retry: bool) -> Face | None:
        return self._finder.find(self._frames[frame], near=near, retry=retry)

    def _bridge(self, first: int, last: int) -> bool:
        """Faces of the frames between two: interpolated (returns True) if both show the same face,
        else searched in each frame (returns False)."""
        before, after = self.faces[first], self.faces[last]
        between = range(first + 1, last)
        if before and after and overlap(before.box, after.box) >= SAME_FACE:
            for frame in between:
                self.faces[frame] = blend(before, after, (frame - first) / (last - first))
            return True
        near = before or after or self._known
        # If the first search failed at an end, it will fail between the ends too.
        retry = any(end.hard for end in (before, after) if end)
        for frame in between:
            self.faces[frame] = self._find(frame, near, retry=retry)
            near = self.faces[frame] or near
        return False

    def _mark(self, frames: Iterable[int]) -> None:
        """Find the points of the faces in these frames."""
        found = [(frame, face) for frame in frames if (face := self.faces[frame])]
        chosen = [frame for frame, _ in found]
        marks = self._finder.detector.mark(
            [self._frames[frame] for frame in chosen], [face.box for _, face in found]
        )
        self._points_TP2[chosen] = marks.points_NP2
        self._strain_T[chosen] = marks.strain_N

    def _strays(self, first: int, last: int) -> bool:
        """Whether the face leaves its boxes, jumps or loses its shape between two detections."""
        if last - first < 2:
            return False
        boxes_T4 = np.array([face.box for face in self.faces[first : last + 1] if face])
        centre_T2 = (boxes_T4[:, :2] + boxes_T4[:, 2:]) / 2
        width_T1 = boxes_T4[:, 2:3] - boxes_T4[:, :1]
        nose_T2 = self._points_TP2[first : last + 1, STEADY].mean(axis=1)
        within_T2 = (nose_T2 - centre_T2) / width_T1
        expected_T2 = np.linspace(within_T2[0], within_T2[-1], len(within_T2))
        strain_T = self._strain_T[first : last + 1]
        return bool(
            np.linalg.norm(within_T2 - expected_T2, axis=1).max() > STRAY
            or np.linalg.norm(np.diff(within_T2, axis=0), axis=1).max() > JUMP
            or strain_T.max() > max(STRAIN, *1.25 * strain_T[[0, -1]])
        )

    def _split(self, first: int, last: int) -> list[tuple[int, int]]:
        """Detect in the middle and bridge both halves; returns the halves to check again."""
        middle = (first + last) // 2
        expected = self.faces[middle]
        retry = expected is not None and expected.hard
        self.faces[middle] = self._find(middle, expected, retry=retry)
        halves = [(first, middle), (middle, last)]
        return [half for half in halves if self._bridge(*half)]
