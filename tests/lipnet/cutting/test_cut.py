"""Cutting: shards made once, failures with reasons, and the share outside of the frame."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lipnet.crops.crop import CropOptions
from lipnet.cutting import cut
from lipnet.cutting.cut import CutFolders, Cutter
from lipnet.cutting.plan import CutJob, VideoClips
from lipnet.landmarks import tracker
from lipnet.landmarks.index import TrackIndex, locate_tracks
from lipnet.landmarks.options import LandmarkOptions
from lipnet.landmarks.store import digest_video
from lipnet.landmarks.tracker import Tracker, TrackJob
from lipnet.shards.tar import read_shard
from lipnet.video.decode import Frame, iter_frames
from tests.lipnet.cutting.clips import clip
from tests.lipnet.video.making import FakeDetector, write_faces


def test_a_shard_is_made_once_and_counts_its_failures(tmp_path: Path) -> None:
    write_faces(tmp_path / "v.mp4", 20)
    track = Tracker(
        FakeDetector(), root=tmp_path, folder=tmp_path, options=LandmarkOptions(), made_by={}
    )
    span = dict(locate_tracks([track(TrackJob("000000", ("v.mp4",)))]))["v.mp4"]
    late = clip("late", first=30, last=59)
    gone = VideoClips("gone.mp4", span, (clip("gone", video="gone.mp4"),))
    job = CutJob("train/000000", (VideoClips("v.mp4", span, (clip(), late)), gone))
    folders = CutFolders(tmp_path, tmp_path, tmp_path / "out")

    def cutter(code: str) -> Cutter:
        options = CropOptions(size=32)
        return Cutter(folders, options=options, labels=["blue"], made_by={"code": code})

    index = cutter("1")(job)
    reasons = {failure.clip_id: failure.reason for failure in index.failures}
    assert reasons == {"late": "window_empty", "gone": "missing"}
    shard = tmp_path / "out" / "train" / "000000.tar"
    [(crops, meta)] = read_shard(shard)
    assert crops.shape == (20, 32, 32)
    assert (meta.clip_id, index.contents.clips) == ("a", 1)
    stamp = shard.stat().st_mtime_ns
    assert cutter("1")(job) == index
    assert shard.stat().st_mtime_ns == stamp
    assert cutter("2")(job).fingerprint != index.fingerprint


def test_a_video_that_is_replaced_while_it_is_read_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_faces(tmp_path / "v.mp4", 20)
    whole = video.read_bytes()
    write_faces(tmp_path / "other.mp4", 20, fps=20)

    def replace_after(frames: Iterator[Frame]) -> Iterator[Frame]:
        yield from frames
        (tmp_path / "other.mp4").replace(video)

    def track() -> TrackIndex:
        options = LandmarkOptions()
        make = Tracker(FakeDetector(), root=tmp_path, folder=tmp_path, options=options, made_by={})
        return make(TrackJob("000000", ("v.mp4",)))

    span = dict(locate_tracks([track()]))["v.mp4"]
    job = CutJob("train/000000", (VideoClips("v.mp4", span, (clip(),)),))
    folders = CutFolders(tmp_path, tmp_path, tmp_path / "out")
    cutter = Cutter(folders, options=CropOptions(size=32), labels=["blue"], made_by={})
    monkeypatch.setattr(cut, "iter_frames", lambda path: replace_after(iter_frames(path)))
    assert [(found.clip_id, found.reason) for found in cutter(job).failures] == [("a", "changed")]
    monkeypatch.undo()
    video.write_bytes(whole)
    assert cutter(job).contents.clips == 1
    write_faces(tmp_path / "other.mp4", 20, fps=20)
    monkeypatch.setattr(
        tracker, "iter_frames", lambda *args, **kw: replace_after(iter_frames(*args, **kw))
    )
    (tmp_path / "000000.json").unlink()
    assert [(found.video, found.reason) for found in track().failures] == [("v.mp4", "changed")]
    monkeypatch.undo()
    video.write_bytes(whole)
    assert [found.video for found in track().tracked] == ["v.mp4"]


def test_a_video_that_is_cut_short_has_no_middle(tmp_path: Path) -> None:
    write_faces(tmp_path / "v.mp4", 20)
    options = LandmarkOptions()
    track = Tracker(FakeDetector(), root=tmp_path, folder=tmp_path, options=options, made_by={})
    span = dict(locate_tracks([track(TrackJob("000000", ("v.mp4",)))]))["v.mp4"]
    # An index, and media data of which 90 of 99 bytes are missing.
    (tmp_path / "v.mp4").write_bytes(b"\0\0\0\x08moov" + b"\0\0\0\x6bmdat" + bytes(9))
    span = replace(span, digest=digest_video(tmp_path / "v.mp4"))
    middle = clip("middle", first=-9, last=9, centred=True)
    job = CutJob("train/000000", (VideoClips("v.mp4", span, (middle,)),))
    folders = CutFolders(tmp_path, tmp_path, tmp_path / "out")
    cutter = Cutter(folders, options=CropOptions(size=32), labels=["blue"], made_by={})
    assert [failure.reason for failure in cutter(job).failures] == ["cut_short"]


@pytest.mark.slow
def test_the_share_outside_of_the_frame_is_in_the_clips_meta(tmp_path: Path) -> None:
    write_faces(tmp_path / "v.mp4", 20)
    track = Tracker(
        FakeDetector(), root=tmp_path, folder=tmp_path, options=LandmarkOptions(), made_by={}
    )
    span = dict(locate_tracks([track(TrackJob("000000", ("v.mp4",)))]))["v.mp4"]
    job = CutJob("train/000000", (VideoClips("v.mp4", span, (clip(),)),))
    shares = []
    for size in (32, 256, 1024):
        folders = CutFolders(tmp_path, tmp_path, tmp_path / str(size))
        cutter = Cutter(folders, options=CropOptions(size=size), labels=["blue"], made_by={})
        cutter(job)
        [(_, meta)] = read_shard(tmp_path / str(size) / "train" / "000000.tar")
        shares.append(meta.outside)
    assert shares[0] == 0
    assert 0 < shares[1] < shares[2] < 1


@given(st.integers(0, 2**32), st.integers(0, 255))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_clips_of_a_video_that_changed_after_its_landmarks_fail(
    tmp_path: Path, position: int, value: int
) -> None:
    """Also if it has the same number of frames, or one other byte."""
    video = write_faces(tmp_path / "v.mp4", 20)
    track = Tracker(
        FakeDetector(), root=tmp_path, folder=tmp_path, options=LandmarkOptions(), made_by={}
    )
    span = dict(locate_tracks([track(TrackJob("000000", ("v.mp4",)))]))["v.mp4"]
    content = bytearray(video.read_bytes())
    same = content[position % len(content)] == value
    content[position % len(content)] = value
    video.write_bytes(bytes(content))
    job = CutJob("train/000000", (VideoClips("v.mp4", span, (clip(), clip("b"))),))
    folders = CutFolders(tmp_path, tmp_path, tmp_path / "out")
    cutter = Cutter(folders, options=CropOptions(size=32), labels=["blue"], made_by={})
    index = cutter(job)
    reasons = [failure.reason for failure in index.failures]
    assert reasons == ([] if same else ["changed", "changed"])
