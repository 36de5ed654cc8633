"""Cameras: frames with the time at which they came, also after the camera was away for a while."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from lipnet.errors import InputError
from lipnet.video.decode import CONVERSIONS, Frame, Pixels

Stamped = tuple[float, Frame]
MAX_BEHIND = 2.0  # seconds of frames that wait to be read; with more, they are dropped
MAX_WAITING = 600  # frames; an end for clocks that stop
RETRY_SECONDS = 1.0  # between two tries to open a camera again


class Capture(Protocol):
    """The part of cv2.VideoCapture that gives frames."""

    def read(self) -> tuple[bool, Any]: ...

    def release(self) -> None: ...


@dataclass(frozen=True)
class Surroundings:
    """What a camera needs of the machine: a clock in seconds, sleeping, opening a camera (None if
    it cannot be opened), and where a line about a camera that stops goes."""

    clock: Callable[[], float]
    sleep: Callable[[float], None]
    open: Callable[[int | str], Capture | None]
    report: Callable[[str], None]


def open_capture(name: int | str) -> cv2.VideoCapture | None:
    """A camera by number, or anything else that OpenCV opens, such as a URL; None if it does not
    open it."""
    capture = cv2.VideoCapture(name)
    if not capture.isOpened():
        capture.release()
        return None
    return capture


def has_end(capture: cv2.VideoCapture) -> bool:
    """Whether it is a video of a known number of frames, not a camera or a broadcast."""
    return float(capture.get(cv2.CAP_PROP_FRAME_COUNT)) > 0


def read_camera(
    name: int | str,
    around: Surroundings,
    *,
    patience: float,
    pixels: Pixels = "grey",
    opened: Capture | None = None,
) -> Iterator[Stamped]:
    """Frames with the clock's time: many streams state no time of their own. A camera that stops is
    opened again for up to `patience` seconds. `opened` is the camera if it is open already.

    InputError if it cannot be opened, or does not come back.
    """
    capture = opened or around.open(name)
    if capture is None:
        raise InputError(describe_closed(name))
    given = False
    try:
        while True:
            found, image = _read(capture)
            if found:
                given = True
                yield around.clock(), _convert(image, pixels)
                continue
            if not given:
                raise InputError(f"{_call(name)} gives no frames: is it used by another program?")
            capture.release()
            around.report(f"{_call(name)} stopped; waiting {patience:g} s for it")
            capture = _reopen(name, around, patience)
            around.report(f"{_call(name)} is back")
    finally:
        capture.release()


def describe_closed(name: int | str) -> str:
    """Why a camera cannot be opened, as far as it is known."""
    if isinstance(name, str):
        return f"{name} cannot be opened: OpenCV finds no video there"
    device = Path(f"/dev/video{name}")
    if device.parent.is_dir() and not device.exists():
        present = ", ".join(sorted(p.name for p in device.parent.glob("video*"))) or "none"
        return f"there is no camera {name} ({device}); cameras of this machine: {present}"
    return (
        f"camera {name} cannot be opened: another program uses it, or this user may not (on Linux, "
        "the group `video` may)"
    )


def _call(name: int | str) -> str:
    return f"camera {name}" if isinstance(name, int) else name


def _read(capture: Capture) -> tuple[bool, Any]:
    try:
        found, image = capture.read()
    except cv2.error:
        return False, None
    return bool(found) and image is not None and image.size > 0, image


def _reopen(name: int | str, around: Surroundings, patience: float) -> Capture:
    """The camera, once it can be opened and gives a frame; InputError after `patience` seconds."""
    end = around.clock() + patience
    while around.clock() < end:
        around.sleep(RETRY_SECONDS)
        capture = around.open(name)
        if capture is not None:
            if _read(capture)[0]:
                return capture
            capture.release()
    raise InputError(f"{_call(name)} stopped, and did not come back within {patience:g} s")


def _convert(image: Any, pixels: Pixels) -> Frame:
    code = CONVERSIONS[pixels][1 if image.ndim == 2 else 3]
    return np.asarray(image if code is None else cv2.cvtColor(image, code), np.uint8)


class ReadAhead:
    """Reads frames in a thread, so that none is missed while others are computed.

    If the reader is more than MAX_BEHIND seconds behind, all waiting frames are dropped; `report`
    gets one line each time. An error of the source is raised where the frames are read.
    """

    def __init__(self, stamped: Iterable[Stamped], report: Callable[[str], None]) -> None:
        self._stamped, self._report = stamped, report
        self._waiting: deque[Stamped] = deque()
        self._changed = threading.Condition()
        self._error: Exception | None = None
        self._is_over = self._is_closed = False
        self._thread = threading.Thread(target=self._fill, daemon=True)

    def __iter__(self) -> Iterator[Stamped]:
        self._thread.start()
        try:
            while (stamped := self._take()) is not None:
                yield stamped
        finally:
            self._is_closed = True
        if self._error is not None:
            raise self._error

    def _take(self) -> Stamped | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_over)
            if not self._waiting:
                return None
            behind = self._waiting[-1][0] - self._waiting[0][0]
            if behind > MAX_BEHIND or len(self._waiting) > MAX_WAITING:
                dropped = len(self._waiting) - 1
                newest = self._waiting[-1]
                self._waiting.clear()
                self._report(
                    f"this machine is too slow for the stream: {dropped} frames were dropped"
                )
                return newest
            return self._waiting.popleft()

    def _fill(self) -> None:
        try:
            for stamped in self._stamped:
                with self._changed:
                    self._waiting.append(stamped)
                    self._changed.notify()
                if self._is_closed:
                    break
        except Exception as error:  # raised again by the reader
            self._error = error
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify()
