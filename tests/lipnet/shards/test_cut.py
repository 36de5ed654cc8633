"""Cutting: windows and words counted right, videos kept together, failures with reasons."""

from pathlib import Path

import numpy as np
import pytest

from lipnet.clip import Clip
from lipnet.crops.crop import CropOptions
from lipnet.landmarks.store import TrackPlace, locate_tracks
from lipnet.landmarks.track import LandmarkOptions
from lipnet.landmarks.tracker import Tracker, TrackUnit
from lipnet.shards.cut import CutPlaces, Cutter, CutUnit, VideoClips, cut_clip, plan_shards
from lipnet.shards.tar import read_shard
from lipnet.video.decode import VideoError
from tests.lipnet.video.making import FakeDetector, write_faces

CROPS = np.arange(75, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)


def clip(name: str = "a", **changes: object) -> Clip:
    facts: dict[str, object] = {
        "clip_id": name, "video": "v.mp4", "label": "blue", "split": "train", "speaker": "s1",
        "unit": "u", "slot": "", "first": 0, "last": -1, "word_first": 0, "word_last": 9,
    }  # fmt: skip
    return Clip(**{**facts, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("window", "word", "frames", "inside"),
    [
        ((0, -1), (5, 9), range(75), (5, 9)),
        ((10, 39), (20, 28), range(10, 39), (10, 18)),
        ((-4, 25), (1, 6), range(25), (1, 6)),
        ((60, 89), (70, 80), range(60, 75), (10, 15)),
        ((10, 39), (5, 60), range(10, 39), (0, 29)),
    ],
)
def test_windows_end_with_the_video_and_words_count_from_their_start(
    window: tuple[int, int], word: tuple[int, int], frames: range, inside: tuple[int, int]
) -> None:
    wanted = clip(first=window[0], last=window[1], word_first=word[0], word_last=word[1])
    crops, meta = cut_clip(wanted, CROPS, 7)
    assert crops[:, 0, 0].tolist() == list(frames)
    assert (meta["word_first"], meta["word_last"]) == inside
    assert meta["label_index"] == 7


def test_indices_of_another_rate_are_converted() -> None:
    wanted = clip(first=50, last=100, word_first=60, word_last=70, fps=50.0)
    crops, meta = cut_clip(wanted, CROPS, 0)
    assert crops[:, 0, 0].tolist() == list(range(25, 50))
    assert (meta["word_first"], meta["word_last"]) == (5, 10)


@pytest.mark.parametrize(
    ("length", "frames"),
    [(1, range(1)), (6, range(6)), (29, range(29)), (30, range(29)), (75, range(23, 52))],
)
def test_a_centred_clip_is_the_middle_of_its_video(length: int, frames: range) -> None:
    wanted = clip(first=-14, last=15, word_first=-2, word_last=3, centred=True)
    crops, meta = cut_clip(wanted, CROPS[:length], 0)
    assert crops[:, 0, 0].tolist() == list(frames)
    middle = (length - 1) // 2 - frames.start
    word = range(max(0, middle - 2), min(length, middle + 3))
    assert (meta["word_first"], meta["word_last"]) == (word.start, word.stop)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"first": 75, "last": 104, "word_first": 80, "word_last": 90}, "window_empty"),
        ({"first": 60, "last": 89, "word_first": 76, "word_last": 80}, "word_missing"),
        ({"word_first": 9, "word_last": 9}, "word_missing"),
    ],
)
def test_a_clip_without_frames_or_word_has_a_reason(
    changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(VideoError) as caught:
        cut_clip(clip(**changes), CROPS, 0)
    assert caught.value.reason == reason


def test_a_videos_clips_stay_together_and_words_are_mixed() -> None:
    clips = [
        clip(f"{label}/{i}/{j}", video=f"{label}/{i}.mp4", label=label)
        for label in ("blue", "green")
        for i in range(20)
        for j in range(3)
    ]
    places = {c.video: TrackPlace("000000", 0, 1) for c in clips}
    units = plan_shards(clips, places, 10)
    assert [unit.name for unit in units] == [f"train/{n:06d}" for n in range(14)]
    assert units == plan_shards(clips[::-1], places, 10)
    listed = [video for unit in units for video in unit.videos]
    assert len({video.video for video in listed}) == len(listed) == 40
    assert sorted(c.clip_id for v in listed for c in v.clips) == sorted(c.clip_id for c in clips)
    mixed = [len({c.label for v in unit.videos for c in v.clips}) for unit in units]
    assert np.mean(mixed) > 1.5


def test_a_shard_is_made_once_and_counts_its_failures(tmp_path: Path) -> None:
    write_faces(tmp_path / "v.mp4", 20)
    track = Tracker(
        FakeDetector(), root=tmp_path, folder=tmp_path, options=LandmarkOptions(), made_by={}
    )
    place = dict(locate_tracks([track(TrackUnit("000000", ("v.mp4",)))]))["v.mp4"]
    late = clip("late", first=30, last=59)
    gone = VideoClips("gone.mp4", place, (clip("gone", video="gone.mp4"),))
    unit = CutUnit("train/000000", (VideoClips("v.mp4", place, (clip(), late)), gone))
    places = CutPlaces(tmp_path, tmp_path, tmp_path / "out")

    def cutter(code: str) -> Cutter:
        options = CropOptions(size=32)
        return Cutter(places, options=options, labels=["blue"], made_by={"code": code})

    record = cutter("1")(unit)
    reasons = {failure["clip_id"]: failure["reason"] for failure in record["failures"]}
    assert reasons == {"late": "window_empty", "gone": "missing"}
    shard = tmp_path / "out" / "train" / "000000.tar"
    [(crops, meta)] = read_shard(shard)
    assert crops.shape == (20, 32, 32)
    assert (meta["clip_id"], record["clips"]) == ("a", 1)
    stamp = shard.stat().st_mtime_ns
    assert cutter("1")(unit) == record
    assert shard.stat().st_mtime_ns == stamp
    assert cutter("2")(unit)["fingerprint"] != record["fingerprint"]


def test_what_lay_beyond_the_frame_is_in_the_clips_facts(tmp_path: Path) -> None:
    write_faces(tmp_path / "v.mp4", 20)
    track = Tracker(
        FakeDetector(), root=tmp_path, folder=tmp_path, options=LandmarkOptions(), made_by={}
    )
    place = dict(locate_tracks([track(TrackUnit("000000", ("v.mp4",)))]))["v.mp4"]
    unit = CutUnit("train/000000", (VideoClips("v.mp4", place, (clip(),)),))
    shares = []
    for size in (32, 256, 1024):
        places = CutPlaces(tmp_path, tmp_path, tmp_path / str(size))
        cutter = Cutter(places, options=CropOptions(size=size), labels=["blue"], made_by={})
        cutter(unit)
        [(_, meta)] = read_shard(tmp_path / str(size) / "train" / "000000.tar")
        shares.append(float(str(meta["outside"])))
    assert shares[0] == 0
    assert 0 < shares[1] < shares[2] < 1
