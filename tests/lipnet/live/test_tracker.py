"""Tracking frame by frame: few detections, no loss when the face moves, and other faces."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from lipnet.landmarks.finder import Finder
from lipnet.landmarks.mesh import MeshModel
from lipnet.landmarks.options import LandmarkOptions
from lipnet.live.reader import make_tracker
from lipnet.live.tracker import DETECT_EVERY, DetectorTracker, MeshFollower, Sighting
from lipnet.video.decode import Frame, iter_frames
from tests.lipnet.landmarks.test_follow import SIDE, Regressor
from tests.lipnet.video.making import FakeDetector, face_frame, flat_frame


def track(frames: list[Frame], detector: FakeDetector) -> list[Sighting | None]:
    tracker = DetectorTracker(Finder(detector))
    return [tracker.track(frame) for frame in frames]


def left_of(sighting: Sighting | None) -> float:
    assert sighting is not None
    return float(sighting.points_P2[:, 0].min())


def test_a_still_face_is_detected_every_tenth_frame() -> None:
    detector = FakeDetector()
    found = track([face_frame()] * 31, detector)
    assert len(detector.calls) == 1 + 30 // DETECT_EVERY
    assert [left_of(one) for one in found] == pytest.approx([20.0] * 31)
    assert [one.is_new for one in found if one] == [True] + [False] * 30


@pytest.mark.parametrize("period", [8, 13, 20])
@pytest.mark.parametrize("reach", [4, 8, 15])
def test_a_nodding_head_is_followed(reach: int, period: int) -> None:
    lefts_T = 23 + np.rint(reach * np.sin(np.arange(60) * 2 * np.pi / period)).astype(int)
    frames = [face_frame(left=int(left), width=SIDE) for left in lefts_T]
    found = track(frames, Regressor())
    gaps = [abs(left_of(one) - left) for one, left in zip(found, lefts_T, strict=True)]
    assert max(gaps) < 0.02 * SIDE
    assert not any(one.is_new for one in found[1:] if one)


def test_a_face_that_leaves_is_none_and_one_that_comes_elsewhere_is_new() -> None:
    there, elsewhere = face_frame(left=5, width=30), face_frame(left=60, width=30)
    found = track([there] * 5 + [flat_frame(0)] * 20 + [elsewhere] * 12, FakeDetector())
    assert all(found[:5])
    assert found[DETECT_EVERY:25] == [None] * 15
    back = next(one for one in found[25:] if one)
    assert back.is_new
    assert left_of(back) == pytest.approx(60)


def test_the_same_face_that_comes_back_is_not_new() -> None:
    found = track([face_frame()] * 5 + [flat_frame(0)] * 12 + [face_frame()] * 6, FakeDetector())
    assert [one.is_new for one in found[17:] if one] == [False] * len([o for o in found[17:] if o])
    assert found[-1] is not None


def test_an_empty_stream_is_searched_now_and_then() -> None:
    detector = FakeDetector()
    assert track([flat_frame(0)] * 50, detector) == [None] * 50
    assert sum(upsample == 0 for _, upsample in detector.calls) == 10
    assert sum(upsample > 0 for _, upsample in detector.calls) == 2


def test_the_mesh_is_followed_as_in_training_and_another_face_is_new(grid_root: Path) -> None:
    def read(speaker: str) -> list[Frame]:
        video = min((grid_root / speaker).glob("*.m*"))
        return list(islice(iter_frames(video, pixels="rgb"), 8))

    model = MeshModel()
    frames = read("s1")
    follower = MeshFollower(model)
    found = [follower.track(frame) for frame in frames]
    for sighting, seen in zip(found, model.follow(frames, LandmarkOptions("mesh")), strict=True):
        assert sighting is not None
        assert seen is not None
        assert np.array_equal(sighting.points_P2, seen[1])
    assert [one.is_new for one in found if one] == [True] + [False] * 7
    aside = [np.roll(frame, frame.shape[1] // 2, axis=1) for frame in frames]
    moved = [follower.track(frame) for frame in [np.zeros_like(frames[0]), *aside]]
    assert moved[0] is None
    assert any(one.is_new for one in moved if one) or not any(moved)


def test_each_landmark_model_has_a_tracker_with_its_pixels() -> None:
    assert make_tracker("mesh").pixels == "rgb"
