"""Frames of a stream: the nearest to every 25th of a second, and a restart after a pause."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.live.frames import RateCheck, describe_rate, read_file, resample
from lipnet.video.decode import Frame, read_frames
from tests.lipnet.video.making import write_faces


def stamp(times: list[float]) -> list[tuple[float, Frame]]:
    """Frames of one pixel that hold their number."""
    return [(time, np.full((1, 1), number, np.uint8)) for number, time in enumerate(times)]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60), st.integers(0, 10**6))
def test_each_frame_is_the_nearest_in_time(steps: list[int], start: int) -> None:
    at = np.cumsum([0, *steps]) / 1000
    given = list(resample(stamp((at + start / 7).tolist())))
    for frame in given:
        distances = np.abs(at - frame.seconds)
        assert distances[int(frame.image_HW[0, 0])] <= distances.min() + 3e-6
    assert [round(25 * frame.seconds) for frame in given] == list(range(len(given)))
    assert not any(frame.is_restart for frame in given)
    assert len(given) >= int(25 * at[-1])


@pytest.mark.parametrize("fps", [12.0, 25.0, 60.0])
def test_a_camera_gives_the_frames_of_a_file(fps: float) -> None:
    times = (np.arange(30) / fps).tolist()
    nearest = [int(np.abs(np.array(times) - t).argmin()) for t in np.arange(0, times[-1], 0.04)]
    found = [int(frame.image_HW[0, 0]) for frame in resample(stamp(times))]
    assert found[: len(nearest)] == nearest


@pytest.mark.parametrize("pause", [2.0, -3.0])
def test_a_pause_or_a_clock_that_goes_back_restarts(pause: float) -> None:
    times = [0.0, 0.04, 0.08, 0.08 + pause, 0.12 + pause, 0.16 + pause]
    given = list(resample(stamp(times)))
    assert [frame.is_restart for frame in given].count(True) == 1
    [restart] = [n for n, frame in enumerate(given) if frame.is_restart]
    assert {int(frame.image_HW[0, 0]) for frame in given[restart:]} <= {3, 4, 5}
    seconds = [frame.seconds for frame in given]
    assert seconds == sorted(set(seconds))
    assert (seconds[restart] > 2) == (pause > 0)


def test_a_file_is_read_as_in_training_and_a_bad_one_is_one_line(tmp_path: Path) -> None:
    video = write_faces(tmp_path / "v.mp4", 7, fps=12)
    found = np.stack([frame.image_HW for frame in read_file(video)])
    assert np.array_equal(found, read_frames(video))
    colour = list(read_file(video, pixels="rgb"))
    assert colour[0].image.shape == (96, 96, 3)
    assert np.array_equal(np.stack([frame.image_HW for frame in colour]), found)
    with pytest.raises(InputError, match=r"none\.mp4 cannot be read: missing"):
        list(read_file(tmp_path / "none.mp4"))


def test_a_low_rate_is_described_once() -> None:
    check = RateCheck()
    lines = [check.count(number / 12) for number in range(60)]
    assert [line for line in lines if line] == [describe_rate(12.0)]
    assert "only 12 frames per second" in describe_rate(12.0)
    assert describe_rate(60.0) == describe_rate(25.0) == ""
