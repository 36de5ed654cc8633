"""Cameras: absent, busy, silent, unplugged and back; and frames that wait too long."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from lipnet.errors import InputError
from lipnet.live.camera import (
    ReadAhead,
    Stamped,
    Surroundings,
    describe_closed,
    open_capture,
    read_camera,
)
from lipnet.live.session import read_ahead

IMAGE = np.full((4, 6, 3), 7, np.uint8)


class Machine:
    """A clock that sleeping moves, and a camera that is there at some tries only: each opening
    takes the next number of frames, -1 for one that fails."""

    def __init__(self, *openings: int) -> None:
        self.seconds = 0.0
        self.lines: list[str] = []
        self.released = 0
        self._openings = list(openings)
        self.around = Surroundings(self._now, self._sleep, self._open, self.lines.append)

    def _now(self) -> float:
        self.seconds += 0.04
        return self.seconds

    def _sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def _open(self, name: int | str) -> Any:
        left = self._openings.pop(0) if self._openings else -1
        return None if left < 0 else FakeCapture(self, left)


class FakeCapture:
    def __init__(self, machine: Machine, frames: int) -> None:
        self._machine, self._left = machine, frames

    def read(self) -> tuple[bool, Any]:
        self._left -= 1
        return (True, IMAGE) if self._left >= 0 else (False, None)

    def release(self) -> None:
        self._machine.released += 1


def take(machine: Machine, count: int, patience: float = 5.0) -> list[Stamped]:
    stamped = read_camera(0, machine.around, patience=patience)
    return [next(stamped) for _ in range(count)]


def test_frames_are_grey_with_the_time_at_which_they_came() -> None:
    machine = Machine(3)
    found = take(machine, 3)
    assert [round(seconds, 2) for seconds, _ in found] == [0.04, 0.08, 0.12]
    assert found[0][1].shape == (4, 6)
    assert machine.lines == []


def test_an_unplugged_camera_is_read_again_when_it_is_back() -> None:
    machine = Machine(2, -1, -1, 9)
    assert len(take(machine, 5)) == 5
    assert machine.lines == ["camera 0 stopped; waiting 5 s for it", "camera 0 is back"]
    assert machine.released == 2  # before it is opened again, and at the end


def test_a_camera_that_does_not_come_back_is_one_line() -> None:
    machine = Machine(2)
    with pytest.raises(InputError, match="camera 0 stopped, and did not come back within 5 s"):
        take(machine, 3)


def test_a_busy_camera_is_one_line() -> None:
    machine = Machine(0)
    with pytest.raises(InputError, match="camera 0 gives no frames: is it used by another"):
        take(machine, 1)
    assert machine.released == 1


def test_an_absent_camera_is_one_line() -> None:
    with pytest.raises(InputError, match="camera"):
        take(Machine(), 1)
    assert open_capture(4321) is None
    assert "cannot be opened: OpenCV finds no video there" in describe_closed("nothing.there")


def test_frames_are_read_ahead_in_order_and_an_error_is_raised_after_them() -> None:
    def fail() -> Iterator[Stamped]:
        yield from [(0.0, IMAGE[..., 0]), (0.04, IMAGE[..., 0])]
        raise InputError("gone")

    reading = iter(ReadAhead(fail(), print))
    assert [next(reading)[0], next(reading)[0]] == [0.0, 0.04]
    with pytest.raises(InputError, match="gone"):
        next(reading)


def test_frames_that_wait_too_long_are_dropped_with_one_line() -> None:
    lines: list[str] = []
    taken, done = threading.Event(), threading.Event()

    def fill() -> Iterator[Stamped]:
        yield 0.0, IMAGE[..., 0]
        taken.wait(10)
        for number in range(1, 100):
            yield number / 25, IMAGE[..., 0]
        done.set()

    given = iter(ReadAhead(fill(), lines.append))
    assert next(given)[0] == 0.0
    taken.set()
    assert done.wait(10)
    assert [seconds for seconds, _ in given] == [99 / 25]
    assert lines == ["this machine is too slow for the stream: 98 frames were dropped"]


@pytest.mark.parametrize(("rate", "expected"), [(30, []), (12, ["only 12 frames per second"])])
def test_the_rate_is_that_of_the_camera_also_on_a_slow_machine(
    rate: int, expected: list[str]
) -> None:
    lines: list[str] = []
    taken, done = threading.Event(), threading.Event()

    def fill() -> Iterator[Stamped]:
        for number in range(100):
            yield number / rate, IMAGE[..., 0]
            if number == 1:  # the stream's first frame is known when the second comes
                taken.wait(10)
        done.set()

    given = read_ahead(fill(), lines.append)
    next(given)
    taken.set()
    assert done.wait(10)
    list(given)
    described = [line.partition(",")[0] for line in lines]
    assert described == [
        *expected,
        "this machine is too slow for the stream: 97 frames were dropped",
    ]
