"""The quality report: counts that add up, pictures, equal bytes, and warnings."""

from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np
import pandas as pd
import pytest

from lipnet.clip import Clip
from lipnet.crops.crop import CropOptions
from lipnet.errors import InputError
from lipnet.landmarks.track import LandmarkOptions
from lipnet.landmarks.tracker import Tracker
from lipnet.quality.facts import (
    Quality,
    QualityFolders,
    Ranking,
    check_quality,
    gather,
    list_numbers,
)
from lipnet.quality.page import write_page
from lipnet.sources.manifest import write_manifest
from pipeline.params import Params, load_params
from pipeline.paths import Paths
from pipeline.profile import choose_profile
from stages import landmarks, shards
from stages.landmarks import LandmarkFolders, make_landmarks
from stages.quality import write_report
from stages.shards import ShardFolders, make_shards
from tests.contract.imports import ROOT
from tests.lipnet.video.making import face_frame, flat_frame, write_video
from tests.lipnet.video.test_images import write_images
from tests.stages.working import fake_tracker, map_here, tree_of

PICTURES = ("contact_sheet.png", "worst.png", "distributions.png")


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """The profile tiny in an empty folder, without Ray and dlib."""
    monkeypatch.setattr(landmarks, "map_jobs", map_here)
    monkeypatch.setattr(shards, "map_jobs", map_here)
    monkeypatch.setattr(Tracker, "with_dlib", fake_tracker)
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    monkeypatch.chdir(tmp_path)
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
    """The stages before: two clips a label and split, one without a face, one with a gap."""
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


def report(params: Params, paths: Paths, *, pictures: bool = False) -> tuple[Quality, str]:
    quality = gather_of(params, paths)
    if pictures:
        write_report(paths.quality, quality)
    else:
        write_page(paths.quality, quality)
    return quality, (paths.quality / "preprocessing.md").read_text(encoding="utf-8")


def test_every_clip_is_in_the_page_by_split_and_outcome(params: Params) -> None:
    quality, page = report(params, prepare(params))
    assert "| train | 4 | 3 | 1 | 1 no_face |" in page
    assert "| test | 4 | 4 | 0 |  |" in page
    assert "Landmarks: 12 videos = 11 tracked + 1 failed (1 no_face)." in page
    assert "Source `lrw`: 12 files = 12 with clips + 0 rejected." in page
    assert "132 frames; in 4 of them (3.03 %) no face was seen" in page
    assert quality.failed == 1


def test_worst_clips_are_named_by_each_measure(params: Params) -> None:
    _, page = report(params, prepare(params))
    rows = {line.split(" | ")[0].strip("| "): line for line in page.splitlines()}
    assert "`blue/train/1` 33 %" in rows["Most interpolated"]
    assert "`blue/train/1`" in rows["Most outside of the frame"].split(",")[0]
    assert "`blue/train/1` 1.00" in rows["Lowest detection scores"]


def test_only_checks_that_fail_look_off(params: Params) -> None:
    quality, page = report(params, prepare(params))
    off = {check.what for check in check_quality(quality) if not check.fine}
    assert {"clips failed", "frames interpolated"} <= off
    assert "files rejected" not in off
    assert page.splitlines()[2] == f"{len(off)} of 8 checks look off."
    bright = quality.brightness["train"]
    expected = (bright.mean - params.recipe.mean) / params.recipe.std
    assert list_numbers(quality)["normalised"]["mean"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_pictures_show_something_and_equal_work_gives_equal_bytes(params: Params) -> None:
    paths = prepare(params)
    report(params, paths, pictures=True)
    first = tree_of(paths.quality)
    for name in PICTURES:
        picture = cv2.imread(str(paths.quality / name))
        assert picture is not None
        assert min(picture.shape[:2]) > 300
        assert picture.std() > 5
    pack(params, paths, f"memory://{uuid4().hex}")  # wherever the crops are
    assert not list(paths.shards.rglob("*.tar"))
    report(params, paths, pictures=True)
    assert tree_of(paths.quality) == first


def test_words_that_the_font_lacks_are_drawn_as_boxes(params: Params) -> None:
    _, page = report(params, prepare(params, labels=("词", "$x^$")), pictures=True)
    assert "词/train/1" in page


def test_precropped_clips_have_pictures_and_no_faces(params: Params) -> None:
    write_images(Path("root") / "f", {f"{n}.png": 6 * n for n in range(1, 31)})
    clips = [
        Clip(f"{split}/{i}", "f", "hao", split, "", f"{split}{i}", "", i, i + 9, i, i + 9,
             ready=True)
        for split in ("train", "val", "test") for i in range(3)
    ]  # fmt: skip
    paths = Paths(params.profile)
    write_manifest(paths.manifest, clips, [], source="lrw1000", options={})
    places = LandmarkFolders(Path("root"), paths.tmp / "landmarks", paths.landmarks)
    make_landmarks([], places, params.landmarks, precropped=1)
    pack(params, paths)
    quality, page = report(params, paths, pictures=True)
    assert quality.faces is None
    assert "no face was detected" in page
    assert "Landmarks: 0 videos = 0 tracked + 0 failed; 1 are precropped" in page
    assert "Darkest" in page
    assert "detection" not in page
    assert all((paths.quality / name).is_file() for name in PICTURES)


def test_a_clip_that_is_unaccounted_for_is_an_error(params: Params) -> None:
    paths = prepare(params)
    failures = paths.shards / "failures.csv"
    failures.write_text(failures.read_text().splitlines()[0] + "\n")
    with pytest.raises(RuntimeError, match="train: 4 clips in"):
        gather_of(params, paths)


def test_a_lost_shard_is_named(params: Params) -> None:
    paths = prepare(params)
    for tar in paths.shards.rglob("*.tar"):
        tar.unlink()
    with pytest.raises(InputError, match=r"no shard at .*train/000000\.tar"):
        report(params, paths, pictures=True)
    assert not paths.quality.exists()


def test_the_worst_are_one_per_video() -> None:
    clips = pd.DataFrame(
        {
            "clip_id": ["a1", "a2", "b1", "c1"],
            "video": ["a", "a", "b", "c"],
            "mean": np.array([0.1, 0.2, 0.2, 0.0]),
        }
    )
    darkest = Ranking("", "", "mean", str, ascending=True)
    assert darkest.worst(clips, 9)["clip_id"].tolist() == ["c1", "a1", "b1"]
    some = Ranking("", "", "mean", str, above_zero=True)
    assert some.worst(clips, 9)["clip_id"].tolist() == ["a2", "b1"]
