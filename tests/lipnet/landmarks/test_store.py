"""Track files: equal bytes for equal videos, failures with reasons, finished work kept."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lipnet.errors import InputError
from lipnet.landmarks.index import locate_tracks, read_index
from lipnet.landmarks.options import LandmarkOptions
from lipnet.landmarks.store import TrackSpan, digest_video, read_track
from lipnet.landmarks.track import track_landmarks
from lipnet.landmarks.tracker import Tracker, TrackJob, describe_maker, plan_tracks
from lipnet.video.decode import iter_frames
from tests.lipnet.video.making import FakeDetector, flat_frame, write_faces, write_video

JOB = TrackJob("000000", ("a.mp4", "black.mp4", "empty.mp4", "gone.mp4", "b.mp4"))


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
    jobs = plan_tracks(["c", "a", "b", "a", "c"], 2)
    assert jobs == [TrackJob("000000", ("a", "b")), TrackJob("000001", ("c",))]


def test_an_index_lists_every_video_with_its_outcome(root: Path, tmp_path: Path) -> None:
    index = tracker(root, tmp_path / "out")[0](JOB)
    found = [(own.video, own.frames, own.digest) for own in index.tracked]
    assert found == [(v, n, digest_video(root / v)) for v, n in (("a.mp4", 12), ("b.mp4", 5))]
    reasons = {failure.video: failure.reason for failure in index.failures}
    assert reasons == {"black.mp4": "no_face", "empty.mp4": "zero_bytes", "gone.mp4": "missing"}
    assert index.videos == 5
    assert index.seen_frames == 17
    assert read_index(tmp_path / "out" / "000000.json") == index


def test_tracks_are_read_back_from_their_spans(root: Path, tmp_path: Path) -> None:
    index = tracker(root, tmp_path / "out")[0](JOB)
    spans = dict(locate_tracks([index]))
    a, b = (digest_video(root / name) for name in ("a.mp4", "b.mp4"))
    assert spans == {"a.mp4": TrackSpan("000000", 0, 12, a), "b.mp4": TrackSpan("000000", 12, 5, b)}
    direct = track_landmarks(iter_frames(root / "b.mp4"), FakeDetector())
    kept = read_track(tmp_path / "out", spans["b.mp4"])
    np.testing.assert_array_equal(kept.points_TP2, direct.points_TP2)
    np.testing.assert_array_equal(kept.score_T, direct.score_T)


def test_equal_work_gives_equal_bytes_and_is_done_once(root: Path, tmp_path: Path) -> None:
    first, _ = tracker(root, tmp_path / "one")
    second, _ = tracker(root, tmp_path / "two")
    first(JOB)
    second(JOB)
    for name in ("000000.npz", "000000.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    again, detector = tracker(root, tmp_path / "one")
    assert again(JOB) == first(JOB)
    assert detector.calls == []


def test_other_code_or_another_video_is_tracked_again(root: Path, tmp_path: Path) -> None:
    first, _ = tracker(root, tmp_path / "out")
    before = first(JOB).fingerprint
    newer, detector = tracker(root, tmp_path / "out", code="2")
    assert newer(JOB).fingerprint != before
    assert detector.calls
    write_faces(root / "b.mp4", 6)
    newest, detector = tracker(root, tmp_path / "out", code="2")
    assert [own.frames for own in newest(JOB).tracked] == [12, 6]


def test_a_video_that_is_replaced_while_it_is_tracked_fails_as_changed(
    root: Path, tmp_path: Path
) -> None:
    made, detector = tracker(root, tmp_path / "out")
    original = detector.find

    def replace_then_detect(*args: Any, **kwargs: Any) -> Any:
        write_faces(root / "a.mp4", 11)
        return original(*args, **kwargs)

    detector.find = replace_then_detect  # type: ignore[method-assign]
    index = made(TrackJob("000000", ("a.mp4",)))
    assert [failure.reason for failure in index.failures] == ["changed"]


def test_a_job_whose_videos_all_fail_is_finished(root: Path, tmp_path: Path) -> None:
    index = tracker(root, tmp_path / "out")[0](TrackJob("000003", ("gone.mp4",)))
    assert index.tracked == ()
    assert (tmp_path / "out" / "000003.npz").is_file()


def test_a_damaged_track_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "000009.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(InputError, match=r"000009\.npz is damaged"):
        read_track(tmp_path, TrackSpan("000009", 0, 5))


def test_neither_the_predictors_path_nor_the_grouping_changes_the_fingerprint() -> None:
    options = LandmarkOptions()
    assert describe_maker(options, "c") == describe_maker(replace(options, videos_per_shard=9), "c")
    assert describe_maker(options, "c") != describe_maker(replace(options, detect_every=4), "c")
    assert describe_maker(options, "c") != describe_maker(options, "d")


def test_a_second_detector_counts_by_its_content_not_its_path(tmp_path: Path) -> None:
    models = [tmp_path / name for name in ("one.dat", "same.dat", "other.dat")]
    for path, content in zip(models, (b"a", b"a", b"b"), strict=True):
        path.write_bytes(content)
    one, same, other = (describe_maker(LandmarkOptions(cnn=str(path)), "c") for path in models)
    assert one == same
    assert one not in (other, describe_maker(LandmarkOptions(), "c"))
    with pytest.raises(InputError, match=r"landmarks\.cnn"):
        describe_maker(LandmarkOptions(cnn=str(tmp_path / "gone.dat")), "c")
