"""Following: a face that moves is not lost between detections, and a still one costs few."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage import data

from lipnet.landmarks import follow as spans
from lipnet.landmarks.detector import DlibDetector
from lipnet.landmarks.face import Face
from lipnet.landmarks.follow import split_spans
from lipnet.landmarks.predictor import Box, Marks
from lipnet.landmarks.track import track_landmarks
from lipnet.video.decode import VideoError, iter_frames
from tests.lipnet.video.making import FakeDetector, face_frame, fit_face, flat_frame

# T frames  H W pixels  P landmark points (68)
SIDE = 50


class Regressor(FakeDetector):
    """Marks as dlib was measured to: right where the box is off by up to 0.12 of its width, on
    the way to the face where it is off by up to 0.25, an odd shape in the box beyond that.
    And it finds no face of which a part is cut off."""

    def find(self, frame_HW: NDArray[np.uint8], *, upsample: int = 0) -> list[Face]:
        faces = super().find(frame_HW, upsample=upsample)
        sides = [(box[2] - box[0], box[3] - box[1]) for box in (face.box for face in faces)]
        return [face for face, (w, h) in zip(faces, sides, strict=True) if abs(w - h) < 2]

    def mark(self, frames: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]) -> Marks:
        fitted, strain = [], []
        for frame, box in zip(frames, boxes, strict=True):
            off = FakeDetector().find(frame)[0].box[0] - box[0]
            held = float(np.clip(off, -0.12 * SIDE, 0.12 * SIDE)) if abs(off) < 0.25 * SIDE else 0
            fitted.append(fit_face((box[0] + held, box[1], box[2] + held, box[3])))
            strain.append(0.03 if abs(off) < 0.25 * SIDE else 0.065)
        return Marks(np.array(fitted, np.float32), np.array(strain, np.float32))


def moving_face(lefts_T: NDArray[np.integer]) -> list[NDArray[np.uint8]]:
    return [face_frame(left=int(left), width=SIDE) for left in lefts_T]


def gaps_to(lefts_T: NDArray[np.integer], detector: FakeDetector) -> NDArray[np.floating]:
    points = track_landmarks(moving_face(lefts_T), detector).points_TP2
    return np.abs(points[:, :, 0].min(axis=1) - lefts_T)


@pytest.mark.parametrize("period", [5, 8, 13, 20])
@pytest.mark.parametrize("reach", [4, 8, 15, 22])
def test_a_nodding_head_is_followed(reach: int, period: int) -> None:
    lefts_T = 23 + np.rint(reach * np.sin(np.arange(60) * 2 * np.pi / period)).astype(int)
    assert gaps_to(lefts_T, Regressor()).max() < 0.01 * SIDE


@pytest.mark.parametrize("reach", [8, 15, 22])
def test_a_nodding_head_that_only_upsampling_finds_is_followed(reach: int) -> None:
    lefts_T = 23 + np.rint(reach * np.sin(np.arange(60) * 2 * np.pi / 13)).astype(int)
    detector = Regressor(wanted_upsample=1)
    assert track_landmarks(moving_face(lefts_T), detector).seen_T.all()
    assert gaps_to(lefts_T, detector).max() < 0.01 * SIDE


def test_a_dark_video_is_searched_twice_only_when_a_detection_is_due() -> None:
    detector = FakeDetector()
    with pytest.raises(VideoError, match="no_face"):
        track_landmarks([flat_frame(0)] * 41, detector)
    assert sum(upsample for _, upsample in detector.calls) == 5


def test_without_the_check_for_strays_the_face_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    lefts_T = 23 + np.rint(15 * np.sin(np.arange(60) * 2 * np.pi / 13)).astype(int)
    monkeypatch.setattr(spans, "STRAY", 9.0)
    monkeypatch.setattr(spans, "JUMP", 9.0)
    monkeypatch.setattr(spans, "STRAIN", 9.0)
    assert gaps_to(lefts_T, Regressor()).max() > 0.2 * SIDE


def test_a_step_between_two_detections_is_found() -> None:
    lefts_T = np.where(np.arange(41) < 15, 10, 26)
    assert gaps_to(lefts_T, Regressor()).max() < 0.01 * SIDE


def test_a_face_that_moves_evenly_costs_no_more_than_a_still_one() -> None:
    still, even = Regressor(), Regressor()
    gaps_to(np.full(41, 20), still)
    gaps_to(np.arange(41), even)
    assert len(still.calls) == len(even.calls) == 5


class Strained(FakeDetector):
    """Marks odd shapes from the frame after the first on."""

    def mark(self, frames: Sequence[NDArray[np.uint8]], boxes: Sequence[Box]) -> Marks:
        marks = super().mark(frames, boxes)
        strain_N = np.full(len(boxes), 0.2, np.float32)
        strain_N[[0, -1]] = 0.03
        return Marks(marks.points_NP2, strain_N)


def test_an_odd_shape_is_detected_again() -> None:
    easy, odd = FakeDetector(), Strained()
    for detector in (easy, odd):
        track_landmarks([face_frame()] * 11, detector)
    assert len(odd.calls) > len(easy.calls)


@given(shown=st.lists(st.booleans(), min_size=1, max_size=99).filter(any))
def test_every_frame_that_shows_the_face_is_found(shown: list[bool]) -> None:
    frames = [face_frame() if s else flat_frame(0) for s in shown]
    seen_T = track_landmarks(frames, FakeDetector()).seen_T
    assert seen_T.any()
    assert seen_T[np.array(shown)].all()


@given(count=st.integers(0, 300), every=st.integers(1, 120))
def test_spans_share_their_ends_and_contain_every_frame(count: int, every: int) -> None:
    frames = [np.full((2, 2), t % 251, np.uint8) for t in range(count)]
    found = list(split_spans(frames, every))
    joined = found[0] + [f for span in found[1:] for f in span[1:]] if found else []
    assert [id(frame) for frame in joined] == [id(frame) for frame in frames]
    assert all(before[-1] is after[0] for before, after in pairwise(found))
    assert all(2 <= len(span) <= max(every, spans.MAX_SPAN) + 1 for span in found[1:])


def test_few_large_frames_are_in_memory_at_once() -> None:
    large = np.zeros((2160, 3840), np.uint8)
    assert max(len(span) for span in split_spans([large] * 40, 10)) == 11


@pytest.mark.slow
@pytest.mark.parametrize(("reach", "period"), [(0, 9), (10, 13), (20, 13), (30, 8), (45, 20)])
def test_dlib_follows_a_shaken_grid_speaker(
    grid_root: Path, dlib_detector: DlibDetector, reach: float, period: float
) -> None:
    frames = list(iter_frames(grid_root / "s2" / "swwp2s.mpg"))
    still = track_landmarks(frames, dlib_detector).points_TP2
    turns_T = np.arange(len(frames)) * 2 * np.pi / period
    moves_T2 = np.rint(reach * np.stack([np.sin(turns_T), 0.3 * np.cos(turns_T)], axis=1))
    shaken = [move_frame(f, x, y) for f, (x, y) in zip(frames, moves_T2, strict=True)]
    track = track_landmarks(shaken, dlib_detector)
    apart_T2 = (track.points_TP2 - still)[:, 48:].mean(axis=1) - moves_T2
    gaps_T = np.linalg.norm(apart_T2, axis=1)
    assert track.seen_T.all()
    assert np.median(gaps_T) < 0.5
    assert np.percentile(gaps_T, 99) < 2


@pytest.mark.slow
def test_dlib_follows_a_small_face_that_swings(dlib_detector: DlibDetector) -> None:
    photograph = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY)  # type: ignore[no-untyped-call]
    small = cv2.resize(photograph, (240, 240), interpolation=cv2.INTER_AREA)
    [face] = dlib_detector.find(np.asarray(small, np.uint8), upsample=1)
    assert dlib_detector.find(np.asarray(small, np.uint8)) == []
    assert 40 < face.box[2] - face.box[0] < 60
    frame = np.asarray(cv2.copyMakeBorder(small, 24, 24, 60, 60, cv2.BORDER_REPLICATE), np.uint8)
    moves_T = np.rint(25 * np.sin(np.arange(75) * 2 * np.pi / 15))
    track = track_landmarks([move_frame(frame, x, 0) for x in moves_T], dlib_detector)
    apart_T = track.points_TP2[:, 48:, 0].mean(axis=1) - moves_T
    assert track.seen_T.sum() >= 72
    assert np.abs(apart_T - np.median(apart_T)).max() < 3


def move_frame(frame_HW: NDArray[np.uint8], x: float, y: float) -> NDArray[np.uint8]:
    matrix = np.array([[1, 0, x], [0, 1, y]])
    size = frame_HW.shape[::-1]
    return np.asarray(cv2.warpAffine(frame_HW, matrix, size, borderMode=cv2.BORDER_REPLICATE))


@pytest.mark.slow
@pytest.mark.parametrize("level", [0, 90, 255])
def test_dlib_finds_no_face_in_a_blank_frame(
    grid_root: Path, dlib_detector: DlibDetector, level: int
) -> None:
    frames = list(iter_frames(grid_root / "s2" / "swwp2s.mpg"))[:31]
    frames[13:18] = [np.full_like(frames[0], level)] * 5
    seen_T = track_landmarks(frames, dlib_detector).seen_T
    assert np.flatnonzero(~seen_T).tolist() == [13, 14, 15, 16, 17]
