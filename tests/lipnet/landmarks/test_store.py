"""Track files: equal bytes for equal videos, failures with reasons, finished work kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lipnet.errors import InputError
from lipnet.landmarks.store import TrackPlace, locate_tracks, read_track
from lipnet.landmarks.track import LandmarkOptions, track_landmarks
from lipnet.landmarks.tracker import Tracker, TrackUnit, describe_maker, plan_tracks
from lipnet.video.decode import iter_frames
from tests.lipnet.video.making import FakeDetector, flat_frame, write_faces, write_video

UNIT = TrackUnit("000000", ("a.mp4", "black.mp4", "empty.mp4", "gone.mp4", "b.mp4"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    write_faces(folder / "a.mp4", 12)
    write_faces(folder / "b.mp4", 5)
    write_video(folder / "black.mp4", [flat_frame(0)] * 9)
    (folder / "empty.mp4").touch()
    return folder


def tracker(root: Path, folder: Path, code: str = "1") -> tuple[Tracker, FakeDetector]:
    detector = FakeDetector()
    options = LandmarkOptions()
    made_by = {"code": code}
    made = Tracker(detector, root=root, folder=folder, options=options, made_by=made_by)
    return made, detector


def test_videos_are_planned_once_in_order() -> None:
    units = plan_tracks(["c", "a", "b", "a", "c"], 2)
    assert units == [TrackUnit("000000", ("a", "b")), TrackUnit("000001", ("c",))]


def test_a_unit_counts_every_video_and_says_why_some_failed(root: Path, tmp_path: Path) -> None:
    record = tracker(root, tmp_path / "out")[0](UNIT)
    assert record["tracked"] == [["a.mp4", 12], ["b.mp4", 5]]
    reasons = {failure["video"]: failure["reason"] for failure in record["failures"]}
    assert reasons == {"black.mp4": "no_face", "empty.mp4": "zero_bytes", "gone.mp4": "missing"}
    assert record["videos"] == 5
    assert record["seen_frames"] == 17


def test_tracks_come_back_from_their_places(root: Path, tmp_path: Path) -> None:
    record = tracker(root, tmp_path / "out")[0](UNIT)
    places = dict(locate_tracks([record]))
    assert places == {"a.mp4": TrackPlace("000000", 0, 12), "b.mp4": TrackPlace("000000", 12, 5)}
    direct = track_landmarks(iter_frames(root / "b.mp4"), FakeDetector())
    kept = read_track(tmp_path / "out", places["b.mp4"])
    np.testing.assert_array_equal(kept.points_TP2, direct.points_TP2)
    np.testing.assert_array_equal(kept.score_T, direct.score_T)


def test_equal_work_gives_equal_bytes_and_is_done_once(root: Path, tmp_path: Path) -> None:
    first, _ = tracker(root, tmp_path / "one")
    second, _ = tracker(root, tmp_path / "two")
    first(UNIT)
    second(UNIT)
    for name in ("000000.npz", "000000.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    again, detector = tracker(root, tmp_path / "one")
    assert again(UNIT) == first(UNIT)
    assert detector.calls == []


def test_other_code_or_another_video_makes_it_anew(root: Path, tmp_path: Path) -> None:
    first, _ = tracker(root, tmp_path / "out")
    before = first(UNIT)["fingerprint"]
    newer, detector = tracker(root, tmp_path / "out", code="2")
    assert newer(UNIT)["fingerprint"] != before
    assert detector.calls
    write_faces(root / "b.mp4", 6)
    newest, detector = tracker(root, tmp_path / "out", code="2")
    assert newest(UNIT)["tracked"] == [["a.mp4", 12], ["b.mp4", 6]]


def test_a_unit_of_failures_alone_is_a_unit(root: Path, tmp_path: Path) -> None:
    record = tracker(root, tmp_path / "out")[0](TrackUnit("000003", ("gone.mp4",)))
    assert record["tracked"] == []
    assert (tmp_path / "out" / "000003.npz").is_file()


def test_a_damaged_track_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "000009.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(InputError, match=r"000009\.npz is damaged"):
        read_track(tmp_path, TrackPlace("000009", 0, 5))


def test_where_a_predictor_lies_and_how_videos_are_grouped_decide_nothing() -> None:
    options = LandmarkOptions()
    assert describe_maker(options, "c") == describe_maker(replace(options, videos_per_shard=9), "c")
    assert describe_maker(options, "c") != describe_maker(replace(options, detect_every=4), "c")
    assert describe_maker(options, "c") != describe_maker(options, "d")


def test_a_second_detector_decides_by_what_it_is_not_by_where_it_lies(tmp_path: Path) -> None:
    models = [tmp_path / name for name in ("one.dat", "same.dat", "other.dat")]
    for path, content in zip(models, (b"a", b"a", b"b"), strict=True):
        path.write_bytes(content)
    one, same, other = (describe_maker(LandmarkOptions(cnn=str(path)), "c") for path in models)
    assert one == same
    assert one not in (other, describe_maker(LandmarkOptions(), "c"))
    with pytest.raises(InputError, match=r"landmarks\.cnn"):
        describe_maker(LandmarkOptions(cnn=str(tmp_path / "gone.dat")), "c")
