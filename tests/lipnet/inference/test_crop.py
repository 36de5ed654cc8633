"""Crops of single videos: the bytes of the pipeline's crops, and a record for what fails."""

import os
from pathlib import Path

import numpy as np
import pytest

from lipnet.crops.crop import CropOptions
from lipnet.cutting.cut import CutFolders, Cutter
from lipnet.cutting.plan import plan_shards
from lipnet.errors import InputError
from lipnet.inference.crop import CropRecord, crop_videos
from lipnet.landmarks.index import locate_tracks
from lipnet.landmarks.options import LandmarkOptions
from lipnet.landmarks.tracker import Tracker, TrackJob
from lipnet.shards.tar import read_shard
from lipnet.video import decode
from lipnet.video.decode import read_frames
from tests.lipnet.cutting.clips import clip
from tests.lipnet.video.making import FakeDetector, flat_frame, write_faces, write_video

CROPS = CropOptions(size=48)
LANDMARKS = LandmarkOptions()


def crop(*videos: Path, out: Path, draw: bool = False) -> list[CropRecord]:
    return list(
        crop_videos(videos, out, FakeDetector(), crops=CROPS, landmarks=LANDMARKS, draw=draw)
    )


def test_crops_are_those_of_the_pipeline(tmp_path: Path) -> None:
    video = write_faces(tmp_path / "v.mp4", 20)
    [record] = crop(video, out=tmp_path / "out")
    assert (record.frames, record.seen, record.interpolated, record.reason) == (20, 20, 0, "")
    tracker = Tracker(FakeDetector(), root=tmp_path, folder=tmp_path, options=LANDMARKS, made_by={})
    tracks = dict(locate_tracks([tracker(TrackJob("000000", ("v.mp4",)))]))
    [job] = plan_shards([clip()], tracks, 9)
    folders = CutFolders(tmp_path, tmp_path, tmp_path / "shards")
    Cutter(folders, options=CROPS, labels=["blue"], made_by={})(job)
    [(expected, _)] = read_shard(tmp_path / "shards/train/000000.tar")
    with np.load(record.crops) as made:
        assert np.array_equal(made["crops"], expected)
        assert made["points"].shape == (20, 68, 2)
        assert made["matrices"].shape == (20, 2, 3)
        assert (made["seen"].sum(), made["fps"]) == (20, 25)


def test_a_failed_video_is_a_record_and_leaves_nothing(tmp_path: Path) -> None:
    good = write_faces(tmp_path / "good.mp4", 6)
    dark = write_video(tmp_path / "dark.mp4", [flat_frame(0)] * 4)
    (tmp_path / "zero.mp4").write_bytes(b"")
    videos = [dark, tmp_path / "zero.mp4", tmp_path / "none.mp4", tmp_path, good]
    records = crop(*videos, out=tmp_path / "out", draw=True)
    assert [record.reason for record in records] == [
        "no_face",
        "zero_bytes",
        "missing",
        "unreadable",
        "",
    ]
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == ["good-drawn.mp4", "good.npz"]


def test_a_drawing_has_a_frame_for_each_of_the_videos(tmp_path: Path) -> None:
    video = write_faces(tmp_path / "v.avi", 12, fps=50)
    [record] = crop(video, out=tmp_path / "out", draw=True)
    assert record.drawing == str(tmp_path / "out/v-drawn.mp4")
    assert record.frames == 6
    assert read_frames(Path(record.drawing)).shape == (6, 96, 96)


def test_equal_videos_give_equal_bytes(tmp_path: Path) -> None:
    video = write_faces(tmp_path / "v.mp4", 5)
    made = [Path(crop(video, out=tmp_path / name)[0].crops).read_bytes() for name in ("a", "b")]
    assert made[0] == made[1]


def test_two_videos_with_the_same_name_are_refused_before_any_work(tmp_path: Path) -> None:
    one, other = write_faces(tmp_path / "v.mp4", 3), write_faces(tmp_path / "b/v.mp4", 3)
    with pytest.raises(InputError, match=r"v\.mp4 and .*b/v\.mp4 would both become v\.npz"):
        crop(one, other, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_video_is_never_overwritten(tmp_path: Path) -> None:
    video = write_faces(tmp_path / "v.mp4", 3)
    before = video.read_bytes()
    crop(video, out=tmp_path, draw=True)
    assert video.read_bytes() == before
    with pytest.raises(InputError, match=r"would overwrite .*v-drawn\.mp4"):
        crop(video, tmp_path / "v-drawn.mp4", out=tmp_path, draw=True)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(InputError, match=r"would overwrite"):
        crop(video, tmp_path / "v-drawn.mp4", out=tmp_path / "link", draw=True)
    records = crop(video, tmp_path / "v-drawn.mp4", out=tmp_path)
    assert [record.reason for record in records] == ["", ""]


@pytest.mark.parametrize("draw", [False, True])
def test_a_name_too_long_for_its_output_fails_that_video_only(tmp_path: Path, draw: bool) -> None:
    long = write_faces(tmp_path / "v.mp4", 3).rename(tmp_path / f"{'x' * 250}.mp4")
    records = crop(long, write_faces(tmp_path / "v.mp4", 3), out=tmp_path / "out", draw=draw)
    assert [record.reason for record in records] == ["name_too_long", ""]
    assert all(path.stem in ("v", "v-drawn") for path in (tmp_path / "out").iterdir())


def test_a_video_of_more_frames_than_the_stages_take_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "MAX_FRAMES", 5)
    videos = [write_faces(tmp_path / f"{count}.mp4", count) for count in (5, 6)]
    records = crop(*videos, out=tmp_path / "out")
    assert [record.reason for record in records] == ["", "too_long"]


def test_an_out_folder_may_look_like_a_protocol_or_not_be_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_faces(tmp_path / "v.mp4", 3)
    monkeypatch.chdir(tmp_path)
    [record] = crop(video, out=Path("file:a"), draw=True)
    assert read_frames(tmp_path / record.drawing).shape == (3, 96, 96)
    with pytest.raises(OSError, match="multibyte"):
        crop(video, out=Path(os.fsdecode(b"b\xff")), draw=True)
