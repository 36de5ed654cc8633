"""Stage landmarks: counts that add up, and outputs that do not depend on a kill and a rerun."""

import csv
import os
from pathlib import Path
from unittest.mock import MagicMock, call

import pytest

from lipnet.errors import InputError
from lipnet.landmarks.index import TrackIndex
from lipnet.landmarks.options import LandmarkOptions
from lipnet.landmarks.summary import read_summary
from lipnet.landmarks.tracker import Tracker
from stages import landmarks
from stages.landmarks import LandmarkFolders, make_landmarks, summarise
from tests.lipnet.video.making import flat_frame, write_faces, write_video
from tests.stages.working import Killed, fake_tracker, map_here, map_until_killed, tree_of

OPTIONS = LandmarkOptions(videos_per_shard=2)


@pytest.fixture(autouse=True)
def no_ray_no_dlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landmarks, "map_jobs", map_here)
    monkeypatch.setattr(Tracker, "with_own_model", fake_tracker)


@pytest.fixture
def videos(tmp_path: Path) -> list[str]:
    names = [f"w/{i}.mp4" for i in range(6)]
    for i, name in enumerate(names):
        write_faces(tmp_path / "root" / name, 3 + i)
    write_video(tmp_path / "root" / "w" / "dark.mp4", [flat_frame(0)] * 4)
    return [*names, "w/dark.mp4", "w/gone.mp4", names[0]]


def folders(tmp_path: Path, name: str) -> LandmarkFolders:
    return LandmarkFolders(tmp_path / "root", tmp_path / f"{name}-state", tmp_path / name)


def test_every_video_is_tracked_or_failed_with_a_reason(tmp_path: Path, videos: list[str]) -> None:
    summary = make_landmarks(videos, folders(tmp_path, "out"), OPTIONS)
    assert (summary.videos, summary.tracked_videos) == (8, 6)
    assert summary.failed == {"missing": 1, "no_face": 1}
    assert (summary.frames, summary.interpolated_frames) == (33, 0)
    assert read_summary(tmp_path / "out") == summary
    assert summary.files == {}
    with (tmp_path / "out" / "failures.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [(r["video"], r["reason"]) for r in rows] == [
        ("w/dark.mp4", "no_face"),
        ("w/gone.mp4", "missing"),
    ]


@pytest.mark.parametrize("there", [True, False])
def test_a_node_without_the_corpus_ends_the_stage(
    tmp_path: Path, videos: list[str], there: bool
) -> None:
    """Its videos are not missing: they are found once it sees the corpus."""
    places = folders(tmp_path, "out")
    places.root.rename(tmp_path / "elsewhere")
    if there:
        places.root.mkdir()
    fault = "is empty" if there else "cannot be read"
    with pytest.raises(InputError, match=rf"root {fault}.* on node {os.uname().nodename}"):
        make_landmarks(videos, places, OPTIONS)
    assert not places.out.exists()
    (tmp_path / "elsewhere").replace(places.root)
    assert make_landmarks(videos, places, OPTIONS).tracked_videos == 6


def test_precropped_clips_need_no_landmarks_and_no_detector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Tracker, "with_own_model")
    summary = make_landmarks([], folders(tmp_path, "out"), OPTIONS, precropped=3)
    assert (summary.videos, summary.tracked_videos, summary.failed) == (0, 0, {})
    assert read_summary(tmp_path / "out").precropped_videos == 3
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "failures.csv",
        "summary.json",
    ]


@pytest.mark.parametrize("done", [0, 1, 3])
def test_a_kill_and_a_rerun_give_the_bytes_of_an_undisturbed_run(
    tmp_path: Path, videos: list[str], monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    make_landmarks(videos, folders(tmp_path, "calm"), OPTIONS)
    monkeypatch.setattr(landmarks, "map_jobs", map_until_killed(done))
    with pytest.raises(Killed):
        make_landmarks(videos, folders(tmp_path, "shot"), OPTIONS)
    assert not (tmp_path / "shot").exists()
    (tmp_path / "shot-state").mkdir(exist_ok=True)
    (tmp_path / "shot-state" / ".000002.npz.77.tmp").write_bytes(b"half")
    (tmp_path / "shot-state" / "000099.npz").write_bytes(b"of an older plan")
    monkeypatch.setattr(landmarks, "map_jobs", map_here)
    monkeypatch.setattr(landmarks, "Meter", made := MagicMock())
    make_landmarks(videos, folders(tmp_path, "shot"), OPTIONS)
    meter = made.return_value.__enter__.return_value
    assert (meter.skip.mock_calls, meter.advance.call_count) == ([call(2)] * done, 4 - done)
    assert tree_of(tmp_path / "shot") == tree_of(tmp_path / "calm")
    assert not (tmp_path / "shot-state").exists()


def test_a_video_that_is_not_accounted_for_is_an_error() -> None:
    index = TrackIndex("000000", "f", (("a", 3),), seen_frames=3)
    with pytest.raises(RuntimeError, match="2 videos, but 1 tracked"):
        summarise([index], 2)


@pytest.mark.slow
@pytest.mark.usefixtures("no_ray_no_dlib")
def test_grid_through_ray_and_dlib(
    tmp_path: Path, grid_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    places = LandmarkFolders(grid_root, tmp_path / "state", tmp_path / "out")
    summary = make_landmarks(["s2/swwp2s.mpg", "u1/brbk7n.mpg"], places, OPTIONS, actors=1)
    assert (summary.videos, summary.tracked_videos, summary.failed) == (2, 2, {})
    assert (summary.frames, summary.interpolated_frames) == (150, 0)
