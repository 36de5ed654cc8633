"""The benchmark of preprocessing: its arithmetic, and our mouths against the baseline's on GRID."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import preprocess
from benchmarks.per_frame import PerFrame, fill_between, warp_by_opencv, warp_by_skimage
from benchmarks.preprocess import (
    LRW_CLIPS,
    LRW_FRAMES,
    Measured,
    Ours,
    format_actors,
    format_lrw,
    format_parts,
    format_speeds,
    list_tools,
    measure,
    mouth_gaps,
    pick_videos,
    render_videos,
    run_actors,
)
from benchmarks.stopwatch import Stopwatch
from lipnet.crops.align import load_face
from tests.lipnet.video.making import write_faces
from tests.stages.working import map_here

# T frames  P landmark points (68)


@pytest.fixture
def videos(tmp_path: Path) -> list[Path]:
    return [write_faces(tmp_path / name / "a.mp4", 6) for name in ("s1", "s2")]


def tool_that_gives(shift: float, *, fails: str = "") -> preprocess.Tool:
    """A tool that takes a little time and moves every mouth `shift` pixels to the right."""

    def work(video: Path, watch: Stopwatch) -> NDArray[np.floating] | None:
        with watch.time("detect"):
            sum(range(20_000))
        if video.parent.name == fails:
            return None
        return np.repeat((load_face() + [shift, 0])[None], 6, axis=0)

    return work


@pytest.fixture
def measured(videos: list[Path]) -> dict[str, Measured]:
    tools = {"(a)": tool_that_gives(1), "(b)": tool_that_gives(0)}
    return measure({**tools, "ours": tool_that_gives(3, fails="s2")}, videos)


def test_each_tool_processes_every_video(measured: dict[str, Measured]) -> None:
    assert [found.frames for found in measured.values()] == [12, 12, 12]
    assert [found.failed for found in measured.values()] == [0, 0, 1]
    assert all(found.rate > 0 for found in measured.values())


def test_gaps_are_in_pixels_over_common_frames(measured: dict[str, Measured]) -> None:
    np.testing.assert_allclose(mouth_gaps(measured["(a)"], measured["(b)"]), np.ones(12))
    np.testing.assert_allclose(mouth_gaps(measured["ours"], measured["(b)"]), np.full(6, 3.0))


def test_the_tables_have_every_tool(measured: dict[str, Measured]) -> None:
    speeds, parts = list(format_speeds(measured)), list(format_parts(measured))
    assert [line.split(" | ")[0] for line in speeds[2:]] == ["| (a)", "| (b)", "| ours"]
    assert speeds[-1].endswith("| 1 of 2 | 3.00 | 3.00 |")
    assert speeds[-2].split(" | ")[3] == "1.0"
    assert len(parts) == 5
    assert {line.count("|") for line in parts} == {8}


def test_parts_and_rest_sum_to_the_total(measured: dict[str, Measured]) -> None:
    found = measured["(b)"]
    total = sum(found.milliseconds().values()) * found.frames / 1000
    assert total == pytest.approx(found.seconds)
    assert found.milliseconds()["detect"] > 0


def test_the_extrapolation_is_clips_times_frames_times_seconds() -> None:
    found = Measured(frames=100)
    found.watch.seconds["all"] = 0.36
    assert f"{LRW_CLIPS * LRW_FRAMES * 0.0036 / 3600:.1f} core-hours" in format_lrw(found)


def test_videos_come_from_every_speaker(videos: list[Path]) -> None:
    assert pick_videos(videos[0].parents[1], 2) == videos
    assert pick_videos(videos[0].parents[1], 1) == videos[:1]


def test_a_frame_without_a_face_is_interpolated() -> None:
    face_P2 = np.ones((68, 2))
    filled = fill_between([None, face_P2, None, 3 * face_P2, None])
    assert filled is not None
    assert filled[:, 5, 0].tolist() == [1, 1, 2, 3, 3]
    assert fill_between([None, None]) is None


def test_both_warps_cut_the_same_mouth() -> None:
    frame = np.add.outer(np.arange(200), np.arange(240)).astype(np.float64)
    frame = np.rint(frame * 255 / frame.max()).astype(np.uint8)
    matrix_23, centre = np.array([[1.1, 0.1, 5], [-0.1, 1.1, 20]]), np.array([120.0, 130.0])
    one = warp_by_skimage(frame, matrix_23, centre)
    other = warp_by_opencv(frame, matrix_23, centre)
    assert one.shape == other.shape == (96, 96)
    assert np.abs(one.astype(int) - other).mean() < 1


def test_actors_are_measured_with_their_memory(
    videos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preprocess, "map_jobs", map_here)
    monkeypatch.setattr(preprocess, "Ours", lambda: tool_that_gives(0))
    rate, peak_mib = run_actors(videos, 2)
    assert rate > 0
    assert peak_mib > 10
    assert "two actors" in "\n".join(format_actors(videos))


@pytest.mark.slow
def test_every_tool_processes_rendered_clips(tmp_path: Path) -> None:
    found = measure(list_tools(), render_videos(tmp_path, 1))
    assert {name: result.failed for name, result in found.items()} == dict.fromkeys(found, 0)
    assert np.percentile(mouth_gaps(found["ours"], found["(b)"]), 99) < 4


@pytest.mark.slow
def test_on_grid_ours_is_fast_and_as_exact_as_detection_in_every_frame(grid_root: Path) -> None:
    tools = {"(b)": PerFrame(0, warp_by_opencv), "ours": Ours()}
    found = measure(tools, pick_videos(grid_root, 4))
    gaps = mouth_gaps(found["ours"], found["(b)"])
    assert np.median(gaps) < 1.5
    assert np.percentile(gaps, 99) < 4
    assert found["ours"].failed <= found["(b)"].failed
    assert found["ours"].rate > 2 * found["(b)"].rate  # six times on a quiet machine


@pytest.mark.slow
def test_an_actor_stays_within_its_memory(grid_root: Path) -> None:
    _, peak_mib = run_actors(pick_videos(grid_root, 4), 2)
    assert peak_mib < 700
