"""Frames of a stream at 25 per second: of a video by its timestamps, of a camera by the clock."""
# H W pixels

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from lipnet.clip import FPS
from lipnet.errors import InputError
from lipnet.video.decode import (
    TIE,
    Decoding,
    Frame,
    Pixels,
    VideoError,
    iter_capture,
    iter_frames,
)

MAX_PAUSE = 0.5  # seconds without a frame, after which the stream starts again
RATE_SECONDS = 2.0  # in which frames are counted
MIN_RATE = 20.0  # frames per second; with fewer, movements of the lips are missed


@dataclass(frozen=True, eq=False)
class TimedFrame:
    """A frame, the seconds since the stream's start, and whether frames before it are missing.

    `image` has the pixels that the tracker needs: grey [H, W] or RGB [H, W, 3].
    """

    seconds: float
    image: Frame
    is_restart: bool = False

    @cached_property
    def image_HW(self) -> Frame:
        """The frame in grey."""
        if self.image.ndim == 2:
            return self.image
        return np.asarray(cv2.cvtColor(self.image, cv2.COLOR_RGB2GRAY), np.uint8)


def read_file(
    path: Path, found: Decoding | None = None, *, pixels: Pixels = "grey"
) -> Iterator[TimedFrame]:
    """The frames of a video file, as training reads them; InputError if it has none."""
    return _number(path, iter_frames(path, found, pixels=pixels))


def read_capture(
    name: str, capture: cv2.VideoCapture, found: Decoding | None = None, *, pixels: Pixels = "grey"
) -> Iterator[TimedFrame]:
    """The same of a video with an end, such as a file on a server, that OpenCV has opened."""
    return _number(name, iter_capture(capture, found, pixels=pixels))


def _number(name: Path | str, frames: Iterator[Frame]) -> Iterator[TimedFrame]:
    try:
        for number, image in enumerate(frames):
            yield TimedFrame(number / FPS, image)
    except VideoError as error:
        raise InputError(f"{name} cannot be read: {error.reason} ({error.detail})") from None


def resample(stamped: Iterable[tuple[float, Frame]]) -> Iterator[TimedFrame]:
    """Frames with their seconds (of any clock) -> for t = 0, 1/25, ... the frame nearest to t.

    A frame is known when the next one comes. After a pause of more than MAX_PAUSE, or a clock that
    goes back, the stream restarts at the frame after it.
    """
    start: float | None = None
    given, is_restart = 0, False
    held: tuple[float, Frame] | None = None
    for stamp, frame in stamped:
        if start is None:
            start = stamp
        seconds = stamp - start
        if held is not None and not 0 <= seconds - held[0] <= MAX_PAUSE:
            if seconds < held[0]:  # continue where the stream was
                start, seconds = stamp - held[0], held[0]
            given, held, is_restart = max(given, math.ceil(seconds * FPS)), None, True
        while held is not None and given / FPS <= (held[0] + seconds) / 2 + TIE:
            yield TimedFrame(given / FPS, held[1], is_restart)
            given, is_restart = given + 1, False
        held = (seconds, frame)
    while held is not None and given / FPS <= held[0] + TIE:
        yield TimedFrame(given / FPS, held[1], is_restart)
        given, is_restart = given + 1, False


class RateCheck:
    """Counts a stream's own frames, and describes a rate that is too low once it is known."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._frames = 0
        self._is_known = False

    def count(self, seconds: float) -> str:
        """Count a frame; a line if there were too few in the first RATE_SECONDS, else ""."""
        if self._start is None:
            self._start = seconds
        self._frames += 1
        if self._is_known or seconds - self._start < RATE_SECONDS:
            return ""
        self._is_known = True
        return describe_rate((self._frames - 1) / (seconds - self._start))


def describe_rate(rate: float) -> str:
    """A line about a rate at which words cannot be read well; "" for a good one."""
    if rate >= MIN_RATE:
        return ""
    return (
        f"only {rate:.0f} frames per second, and the model was trained on {FPS:g}: lips move "
        "between them unseen, so expect wrong words (more light lets a camera take more frames)"
    )
