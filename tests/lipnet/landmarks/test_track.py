"""Tracking: how often the detector runs, gaps, the right face, and dlib on real faces."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lipnet.errors import InputError
from lipnet.landmarks.detector import DlibDetector, find_predictor
from lipnet.landmarks.face import Face
from lipnet.landmarks.finder import overlap
from lipnet.landmarks.options import LandmarkOptions
from lipnet.landmarks.predictor import Box
from lipnet.landmarks.track import fill_gaps, track_landmarks
from lipnet.video.decode import VideoError, iter_frames
from tests.lipnet.video.making import FakeDetector, face_frame, flat_frame


def test_the_detector_runs_on_every_tenth_frame_and_the_last() -> None:
    detector = FakeDetector()
    track = track_landmarks([face_frame() for _ in range(29)], detector)
    assert len(detector.calls) == 4
    assert track.points_TP2.shape == (29, 68, 2)
    assert track.points_TP2.dtype == np.float32
    assert track.seen_T.all()


def test_later_detections_look_only_near_the_face() -> None:
    detector = FakeDetector()
    frame = np.pad(face_frame(), ((0, 200), (0, 300)))
    track_landmarks([frame] * 11, detector)
    assert detector.calls[0][0] == frame.shape
    assert max(detector.calls[1][0]) < 90


def test_boxes_move_between_detections() -> None:
    frames = [face_frame(left=10 + 2 * t) for t in range(11)]
    points = track_landmarks(frames, FakeDetector()).points_TP2
    lefts = points[:, :, 0].min(axis=1)
    np.testing.assert_allclose(np.diff(lefts), 2.0, atol=0.01)


@pytest.mark.parametrize("count", [1, 2, 5, 6, 12])
def test_every_frame_of_a_clip_of_any_length_has_points(count: int) -> None:
    assert len(track_landmarks([face_frame()] * count, FakeDetector()).points_TP2) == count


def test_a_face_that_comes_and_goes_is_found_in_every_frame_that_shows_it() -> None:
    shown = np.array([0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1], bool)
    frames = [face_frame() if s else flat_frame(0) for s in shown]
    track = track_landmarks(frames, FakeDetector())
    np.testing.assert_array_equal(track.seen_T, shown)
    np.testing.assert_array_equal(track.score_T > 0, shown)
    np.testing.assert_allclose(track.points_TP2[0], track.points_TP2[3])
    np.testing.assert_allclose(track.points_TP2[9], track.points_TP2[12], atol=1e-3)


def test_a_jump_is_followed_frame_by_frame() -> None:
    frames = [face_frame(left=0, width=30)] * 3 + [face_frame(left=60, width=30)] * 3
    points = track_landmarks(frames, FakeDetector()).points_TP2
    assert points[2, :, 0].max() <= 31
    assert points[3, :, 0].min() >= 59


def test_upsampling_is_only_for_a_miss() -> None:
    easy, hard = FakeDetector(), FakeDetector(wanted_upsample=1)
    track_landmarks([face_frame()] * 6, easy)
    assert {upsample for _, upsample in easy.calls} == {0}
    assert track_landmarks([face_frame()], hard).seen_T.all()
    assert [upsample for _, upsample in hard.calls] == [0, 1]
    with pytest.raises(VideoError):
        track_landmarks([face_frame()], hard, LandmarkOptions(retry_upsample=0))


class SlowEyes(FakeDetector):
    """Sees a face by its second way alone."""

    def find_hard(self, frame_HW: NDArray[np.uint8]) -> list[Face]:
        return FakeDetector().find(frame_HW)


def test_the_second_detector_is_the_last_resort() -> None:
    slow = SlowEyes(wanted_upsample=9)
    assert track_landmarks([face_frame()], slow).seen_T.all()
    assert [upsample for _, upsample in slow.calls] == [0, 1]


def test_no_face_in_any_frame_is_a_reason() -> None:
    with pytest.raises(VideoError) as caught:
        track_landmarks([flat_frame(0)] * 9, FakeDetector())
    assert caught.value.reason == "no_face"
    assert "9 frames" in caught.value.detail


class TwoFaces(FakeDetector):
    """A small face in the middle and a large one at the edge, in any order."""

    SMALL, LARGE = Face((40, 40, 56, 56), 1.0), Face((0, 0, 39, 39), 0.5)

    def find(self, frame_HW: NDArray[np.uint8], *, upsample: int = 0) -> list[Face]:
        return [self.SMALL, self.LARGE]


@pytest.mark.parametrize(("prefer", "wanted"), [("largest", 19.5), ("centre", 48.0)])
def test_of_two_faces_the_preferred_one_is_followed(prefer: str, wanted: float) -> None:
    track = track_landmarks([flat_frame(9)], TwoFaces(), LandmarkOptions(prefer=prefer))
    points = track.points_TP2[0]
    assert (points[:, 0].min() + points[:, 0].max()) / 2 == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize(
    "wrong", [{"prefer": "loudest"}, {"detect_every": 0}, {"retry_upsample": -1}]
)
def test_wrong_options_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        LandmarkOptions(**wrong)  # type: ignore[arg-type]


@given(seen=st.lists(st.booleans(), min_size=1, max_size=40).filter(any), slope=st.floats(-5, 5))
def test_gaps_are_linear_and_the_ends_constant(seen: list[bool], slope: float) -> None:
    seen_T = np.array(seen)
    line_T = slope * np.arange(len(seen))
    points = np.repeat(line_T, 136).reshape(-1, 68, 2).astype(np.float32)
    filled = fill_gaps(points[seen_T], seen_T)
    at = np.flatnonzero(seen_T)
    held_T = slope * np.clip(np.arange(len(seen)), at[0], at[-1])
    np.testing.assert_allclose(filled[:, 7, 1], held_T, atol=1e-3)


BOXES = st.tuples(*[st.floats(0, 100)] * 2, *[st.floats(101, 200)] * 2)


@given(one=BOXES, other=BOXES)
def test_overlap_is_symmetric_and_one_for_equal_boxes(one: Box, other: Box) -> None:
    assert overlap(one, one) == pytest.approx(1.0)
    assert overlap(one, other) == pytest.approx(overlap(other, one))
    assert 0 <= overlap(one, other) <= 1
    assert overlap(one, (300, 300, 400, 400)) == 0


def test_a_missing_predictor_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no landmark model at .*gone\.dat"):
        find_predictor(str(tmp_path / "gone.dat"))


@pytest.mark.slow
def test_a_file_that_is_not_a_predictor_is_named(tmp_path: Path) -> None:
    (tmp_path / "wrong.dat").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match=r"wrong\.dat is not a dlib landmark model"):
        DlibDetector(tmp_path / "wrong.dat")


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (40, 3), (2160, 3840)])
def test_dlib_accepts_frames_of_any_size(
    dlib_detector: DlibDetector, shape: tuple[int, int]
) -> None:
    assert dlib_detector.find(np.zeros(shape, np.uint8)) == []


@pytest.mark.slow
def test_tracking_agrees_with_detection_in_every_frame(
    grid_root: Path, dlib_detector: DlibDetector
) -> None:
    frames = list(iter_frames(grid_root / "s2" / "swwp2s.mpg"))[:40]
    track = track_landmarks(frames, dlib_detector)
    each = track_landmarks(frames, dlib_detector, LandmarkOptions(detect_every=1))
    mouths = [t.points_TP2[:, 48:].mean(axis=1) for t in (track, each)]
    gaps_T = np.linalg.norm(mouths[0] - mouths[1], axis=1)
    assert track.seen_T.all()
    assert np.median(gaps_T) < 0.75
    assert gaps_T.max() < 2


@pytest.mark.slow
def test_a_shrunken_face_is_found_by_upsampling(
    grid_root: Path, dlib_detector: DlibDetector
) -> None:
    frame = next(iter_frames(grid_root / "s2" / "swwp2s.mpg"))[::3, ::3]
    assert not dlib_detector.find(np.ascontiguousarray(frame))
    assert track_landmarks([frame], dlib_detector).seen_T.all()
