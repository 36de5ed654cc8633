"""Clips that have passed the stages before the quality report, without Ray and dlib."""

from pathlib import Path

import pytest

from lipnet.clip import Clip
from lipnet.crops.crop import CropOptions
from lipnet.landmarks.options import LandmarkOptions
from lipnet.landmarks.tracker import Tracker
from lipnet.quality.facts import Quality, QualityFolders, gather
from lipnet.sources.manifest import write_manifest
from pipeline.params import Params, load_params
from pipeline.paths import Paths
from pipeline.profile import choose_profile
from stages import landmarks, shards
from stages.landmarks import LandmarkFolders, make_landmarks
from stages.shards import ShardFolders, make_shards
from tests.contract.imports import ROOT
from tests.lipnet.video.making import face_frame, flat_frame, write_video
from tests.stages.working import fake_tracker, map_here


def use_tiny(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Change into a folder with the profile tiny, with the stages in this process."""
    monkeypatch.setattr(landmarks, "map_jobs", map_here)
    monkeypatch.setattr(shards, "map_jobs", map_here)
    monkeypatch.setattr(Tracker, "with_own_model", fake_tracker)
    (folder / "conf").symlink_to(ROOT / "conf")
    monkeypatch.chdir(folder)
    choose_profile("tiny", [])
    return load_params().model_copy(update={"crops": CropOptions(size=160)})


def film(clip: Clip, *, gap: bool) -> None:
    """A face of 12 frames; with a gap, unseen in the middle of it and half out of the frame."""
    left = 60 if gap else 20
    frames = [face_frame(left=left + frame // 4, top=20 + left // 2) for frame in range(12)]
    if gap:
        frames[4:8] = [flat_frame(40)] * 4
    write_video(Path("root") / clip.video, frames)


def prepare(params: Params, url: str = "", labels: tuple[str, ...] = ("blue", "red")) -> Paths:
    """Run the stages before: two clips per label and split, one without a face, one with a gap."""
    clips = [
        Clip(f"{label}/{split}/{i}", f"{label}/{split}/{i}.mp4", label, split, "s", f"{label}{i}",
             "", 0, -1, 3, 9)
        for split in ("train", "val", "test") for label in labels for i in range(2)
    ]  # fmt: skip
    for place, clip in enumerate(clips):
        film(clip, gap=place == 1)
    write_video(Path("root") / clips[2].video, [flat_frame(0)] * 4)
    paths = Paths(params.profile)
    write_manifest(paths.manifest, clips, [], source="lrw", options={})
    places = LandmarkFolders(Path("root"), paths.tmp / "landmarks", paths.landmarks)
    make_landmarks([clip.video for clip in clips], places, LandmarkOptions(detect_every=1))
    pack(params, paths, url)
    return paths


def pack(params: Params, paths: Paths, url: str = "") -> None:
    inputs = Path("root"), paths.manifest, paths.landmarks
    make_shards(
        ShardFolders(*inputs, paths.tmp / "shards", paths.shards, url), params.crops,
        clips_per_shard=3,
    )  # fmt: skip


def gather_of(params: Params, paths: Paths) -> Quality:
    folders = QualityFolders(paths.manifest, paths.landmarks, paths.shards)
    return gather(params.profile, folders, params.crops, params.recipe)
