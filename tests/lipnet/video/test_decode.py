"""Decoding: 25 frames a second from any rate, and a reason for every file that is no video."""

import os
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.video import decode
from lipnet.video.decode import VideoError, iter_frames, read_frames
from tests.lipnet.video.making import flat_frame, write_video


def levels(path: Path) -> list[float]:
    return [float(frame.mean()) for frame in iter_frames(path)]


def ramp(count: int) -> list[np.ndarray]:
    return [flat_frame(round(10 + 230 * t / max(1, count - 1))) for t in range(count)]


@pytest.mark.parametrize("count", [1, 5, 29])
def test_25_fps_passes_frame_by_frame(tmp_path: Path, count: int) -> None:
    written = ramp(count)
    frames = read_frames(write_video(tmp_path / "a.mp4", written))
    assert frames.dtype == np.uint8
    assert frames.shape == (count, 96, 96)
    assert np.abs(frames.mean(axis=(1, 2)) - [frame.mean() for frame in written]).max() < 4


@pytest.mark.parametrize("fps", [12.0, 29.97, 50.0, 60.0])
def test_other_rates_give_the_nearest_frame_in_time(tmp_path: Path, fps: float) -> None:
    count = round(2 * fps)
    shown = levels(write_video(tmp_path / "a.mp4", ramp(count), fps))
    assert len(shown) == 50
    times = np.arange(50) / 25
    wanted = 10 + 230 * np.minimum(times * fps, count - 1) / (count - 1)
    assert np.abs(np.array(shown) - wanted).max() < 230 / (count - 1) * 0.55 + 4


@given(steps=st.lists(st.floats(0.001, 0.3), min_size=1, max_size=60), period=st.floats(0.005, 0.1))
def test_resampling_is_nearest_at_every_variable_rate(steps: list[float], period: float) -> None:
    seconds = np.concatenate([[0.0], np.cumsum(steps)])
    stamped = ((s, np.array([[i]], np.uint32)) for i, s in enumerate(seconds))
    chosen = [int(f[0, 0]) for f in decode._resample(stamped, period)]  # type: ignore[arg-type]
    assert len(chosen) >= 1
    assert abs(len(chosen) - (seconds[-1] + period) * 25) <= 1
    for place, index in enumerate(chosen):
        gaps = np.abs(seconds - place / 25)
        assert gaps[index] <= gaps.min() + 1e-5


class FakeCapture:
    """A capture with the timestamps (in ms) that a broken container gives."""

    def __init__(self, stamps: list[float]) -> None:
        self._stamps = stamps
        self._next = -1

    def read(self) -> tuple[bool, np.ndarray | None]:
        self._next += 1
        return (True, flat_frame(9)) if self._next < len(self._stamps) else (False, None)

    def get(self, key: int) -> float:
        return 25.0 if key == decode.cv2.CAP_PROP_FPS else self._stamps[self._next]


@pytest.mark.parametrize(
    "stamps", [[0.0] * 5, [80.0, 40.0, 0.0, 40.0, 80.0], [5e9, 0.0, 9e12, 40.0, 0.0]]
)
def test_broken_timestamps_count_as_one_frame_each(stamps: list[float]) -> None:
    stamped = decode._stamp(FakeCapture(stamps), decode.Decoding(), "grey")  # type: ignore[arg-type]
    assert [round(s, 6) for s, _ in stamped] == [0.0, 0.04, 0.08, 0.12, 0.16]


@pytest.mark.parametrize("broken", [{3: 80.0}, {2: 0.0, 5: 9e12}, {3: 80.0, 4: 80.0, 5: 80.0}])
def test_frames_after_a_broken_timestamp_keep_their_time(broken: dict[int, float]) -> None:
    stamps = [broken.get(t, 40.0 * t) for t in range(9)]
    stamped = decode._stamp(FakeCapture(stamps), decode.Decoding(), "grey")  # type: ignore[arg-type]
    assert [round(s, 6) for s, _ in stamped] == [round(0.04 * t, 6) for t in range(9)]


@pytest.mark.parametrize(
    ("stamps", "seconds"),
    [
        ([0, 40, 80, 5e9, 5e9 + 50, 5e9 + 90], [0, 0.04, 0.08, 0.12, 0.17, 0.21]),
        ([0, 40, 80, 0, 40, 90], [0, 0.04, 0.08, 0.12, 0.16, 0.21]),
        ([0, 40, 40, 60, 110], [0, 0.04, 0.08, 0.08, 0.11]),  # the guess was too late
    ],
)
def test_the_clock_follows_timestamps_that_agree(stamps: list[float], seconds: list[float]) -> None:
    stamped = decode._stamp(FakeCapture(stamps), decode.Decoding(), "grey")  # type: ignore[arg-type]
    assert [round(s, 6) for s, _ in stamped] == seconds


def outcome(path: Path) -> str:
    try:
        return str(len(read_frames(path)))
    except VideoError as error:
        return error.reason


def refuse(path: Path) -> str:
    with pytest.raises(VideoError):
        read_frames(path)
    return outcome(path)


def test_each_unusable_file_has_its_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "words.mp4").write_text("no video, just words\n" * 100)
    (tmp_path / "folder.mp4").mkdir()
    assert refuse(tmp_path / "gone.mp4") == "missing"
    assert refuse(tmp_path / "empty.mp4") == "zero_bytes"
    assert refuse(tmp_path / "words.mp4") == "unreadable"
    assert refuse(tmp_path / "folder.mp4") == "unreadable"
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoError, match="a pipe or a device: write the video to a file first"):
        read_frames(tmp_path / "pipe.mp4")


def test_a_truncated_file_gives_frames_or_a_reason(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", ramp(60)).read_bytes()
    cut = tmp_path / "cut.mp4"
    for tenth in range(1, 10):
        cut.write_bytes(whole[: len(whole) * tenth // 10])
        assert outcome(cut) in {"unreadable", "no_frames", *map(str, range(1, 61))}


def test_names_may_hold_any_characters(tmp_path: Path) -> None:
    for name in ("déjà vu 口.mp4", "100%03d.mp4", "file:a,b;c.mp4", "x" * 200 + ".mp4"):
        plain = write_video(tmp_path / "plain.mp4", ramp(3))
        assert len(read_frames(plain.rename(tmp_path / name))) == 3


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    plain = write_video(tmp_path / "plain.mp4", ramp(3))
    assert refuse(plain.rename(tmp_path / os.fsdecode(b"b\xff.mp4"))) == "unreadable"


def test_the_reason_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(VideoError("no_face", "none of 9 frames")))
    assert (error.reason, error.detail) == ("no_face", "none of 9 frames")
    assert str(error) == "no_face: none of 9 frames"


@pytest.mark.slow
def test_grid_videos_of_both_codecs_keep_their_frames(grid_root: Path) -> None:
    assert read_frames(grid_root / "s1" / "bbaf2n.mp4").shape == (75, 288, 360)
    assert read_frames(grid_root / "s2" / "swwp2s.mpg").shape == (75, 288, 360)


def test_colours_are_red_green_blue_and_grey_is_their_brightness(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    orange = np.full((64, 96, 3), (230, 120, 20), np.uint8)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (96, 64))
    for _ in range(3):
        writer.write(orange[..., ::-1])
    writer.release()
    rgb, grey = list(iter_frames(path, pixels="rgb")), list(iter_frames(path))
    assert [frame.shape for frame in (rgb[0], grey[0])] == [(64, 96, 3), (64, 96)]
    assert len(rgb) == len(grey) == 3
    np.testing.assert_allclose(rgb[0].mean(axis=(0, 1)), [230, 120, 20], atol=6)
    np.testing.assert_array_equal(cv2.cvtColor(rgb[0], cv2.COLOR_RGB2GRAY), grey[0])
