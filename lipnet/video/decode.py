"""Decoding: any video file as frames at 25 per second, grey or RGB, or the reason if it cannot be
read."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.clip import FPS

# T frames  H W pixels  C channels
Frame = NDArray[np.uint8]  # [H, W] grey or [H, W, 3] RGB
Pixels = Literal["grey", "rgb"]

# Else FFmpeg writes a line to stderr for every damaged packet; OpenCV has no call for this.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

MAX_FRAMES = 15_000  # ten minutes: landmarks and crops of one video are held in memory
MAX_GAP = 10.0  # seconds; a longer step between two frames is a broken timestamp
MAX_RATE = 1000.0  # frames per second; containers without a rate claim 90000
LISTS = (b"ffconcat", b"#EXTM3U", b"<?xml", b"<MPD")  # FFmpeg would open the files that they name
MAX_ASPECT = 4.0  # width of a pixel to its height, or the reverse; more is a damaged header
TIE = 1e-6  # seconds; of two equally near frames, the earlier is taken
# OpenCV's conversion to each kind of pixels, by the channels that it decodes (None: as it is)
CONVERSIONS: Mapping[Pixels, Mapping[int, int | None]] = {
    "grey": {1: None, 3: cv2.COLOR_BGR2GRAY},
    "rgb": {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB},
}


class VideoError(Exception):
    """A video that gives no frames or no face: `reason` is one snake_case word for the records."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


@dataclass
class Decoding:
    """What a file states and holds, noted while it is decoded: its own frames so far, and the width
    of its pixels divided by their height."""

    frames: int = 0
    aspect: float = 1.0


def read_frames(path: Path) -> Frame:
    """All grey frames [T, H, W] at 25 fps; raises VideoError as `iter_frames` does."""
    return np.stack(list(iter_frames(path)))


def iter_frames(
    path: Path, found: Decoding | None = None, *, pixels: Pixels = "grey"
) -> Iterator[Frame]:
    """Frames at 25 fps, each the nearest in time to its instant, one or more: grey [H, W] or RGB
    [H, W, 3].

    A video of 25 fps passes frame by frame. A truncated file gives the frames that it has. Frames
    whose pixels are not square are widened or heightened. Raises VideoError (missing, zero_bytes,
    unreadable, no_frames) before the first frame.
    """
    yield from iter_capture(_open(path), found, pixels=pixels)


def iter_capture(
    capture: cv2.VideoCapture, found: Decoding | None = None, *, pixels: Pixels = "grey"
) -> Iterator[Frame]:
    """The same of a video that is open already, which is released at the end."""
    found = found or Decoding()
    found.aspect = _aspect(capture)
    try:
        given = 0
        for frame in _resample(_stamp(capture, found, pixels), _period(capture)):
            given += 1
            yield frame
        if not given:
            claimed = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
            if claimed > 0:
                raise VideoError("unreadable", f"none of {claimed} frames can be decoded")
            raise VideoError("no_frames", "the file holds a video stream without frames")
    finally:
        capture.release()


def _open(path: Path) -> cv2.VideoCapture:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise VideoError("missing", "no such file") from None
    except OSError as error:
        raise VideoError("unreadable", error.strerror or "cannot be opened") from None
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise VideoError("unreadable", "a pipe or a device: write the video to a file first")
    if status.st_size == 0:
        raise VideoError("zero_bytes", "the file is empty")
    try:
        str(path.absolute()).encode("utf-8")
    except UnicodeEncodeError:  # at which OpenCV crashes
        raise VideoError("unreadable", "its path is not UTF-8; rename it") from None
    _check_head(path)
    # One thread, because an actor has one core; absolute, so that no name looks like a protocol.
    options = [cv2.CAP_PROP_N_THREADS, 1]
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG, options)
    if not capture.isOpened():
        raise VideoError("unreadable", "no video stream found")
    return capture


def _check_head(path: Path) -> None:
    """VideoError if the file cannot be read, or is a list of other files."""
    try:
        with path.open("rb") as file:
            head = file.read(max(map(len, LISTS)))
    except OSError as error:
        raise VideoError("unreadable", error.strerror or "cannot be opened") from None
    if head.startswith(LISTS):
        raise VideoError("unreadable", "a list of other files, not a video")


def _period(capture: cv2.VideoCapture) -> float:
    """Seconds per frame by the container's rate; 1/25 if that rate makes no sense."""
    rate = capture.get(cv2.CAP_PROP_FPS)
    return 1 / rate if 1 <= rate <= MAX_RATE else 1 / FPS


def _aspect(capture: cv2.VideoCapture) -> float:
    """The width of a pixel divided by its height, as it is shown; 1 if the file does not state what
    is possible."""
    width, height = (capture.get(name) for name in (cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN))
    if capture.get(cv2.CAP_PROP_ORIENTATION_META) % 180 == 90:  # OpenCV turns the frames only
        width, height = height, width
    possible = height > 0 and 1 / MAX_ASPECT <= width / height <= MAX_ASPECT
    return width / height if possible else 1.0


def _square(shape: tuple[int, ...], aspect: float) -> tuple[int, ...]:
    """Height and width with square pixels and no fewer of them."""
    height, width = shape
    return round(height * max(1.0, 1 / aspect)), round(width * max(1.0, aspect))


class _Clock:
    """Seconds since a video's first frame, by its timestamps; they never decrease.

    A broken timestamp counts as one period on, and the next may be right again. The clock is moved
    only by two successive timestamps that agree with each other and not with it.
    """

    def __init__(self, period: float) -> None:
        self._period = period
        self._start: float | None = None  # the timestamp of 0 seconds
        self._other: float | None = None  # the same by the last timestamp, if that is broken
        self._good = self._given = 0.0  # the last seconds by a good timestamp, and by any

    def read(self, stamp: float) -> float:
        """The seconds of the next frame, by its timestamp in seconds."""
        if self._start is None:
            self._start = stamp
            return 0.0
        if not _follows(stamp - self._start, self._good):
            if self._other is None or not _follows(stamp - self._other, self._given):
                self._given += self._period
                self._other = stamp - self._given
                return self._given
            self._start = self._other
        self._good, self._other = stamp - self._start, None
        self._given = max(self._given, self._good)
        return self._given


def _follows(seconds: float, earlier: float) -> bool:
    """Whether a frame at `seconds` may be the next after one at `earlier`."""
    return 0 < seconds - earlier <= MAX_GAP


def _stamp(
    capture: cv2.VideoCapture, noted: Decoding, pixels: Pixels
) -> Iterator[tuple[float, Frame]]:
    """Frames with their seconds since the first, as a _Clock has them."""
    clock = _Clock(_period(capture))
    shape: tuple[int, ...] | None = None
    while True:
        found, frame = capture.read()
        if not found:
            return
        seconds = clock.read(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
        noted.frames += 1
        shape = shape or _square(frame.shape[:2], noted.aspect)
        yield seconds, _convert(np.asarray(frame, np.uint8), pixels, shape)


def _convert(frame: Frame, pixels: Pixels, shape: tuple[int, ...]) -> Frame:
    """A decoded frame, grey or BGR, with these pixels and of this height and width."""
    code = CONVERSIONS[pixels][1 if frame.ndim == 2 else 3]
    made = frame if code is None else cv2.cvtColor(frame, code)
    if made.shape[:2] != shape:  # a stream may also change its size midway
        made = cv2.resize(made, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(made, np.uint8)


def _resample(stamped: Iterator[tuple[float, Frame]], period: float) -> Iterator[Frame]:
    """For t = 0, 1/25, ... to the end of the last frame, the frame nearest to t."""
    given = 0
    held: tuple[float, Frame] | None = None
    for seconds, frame in stamped:
        while held is not None and given / FPS <= (held[0] + seconds) / 2 + TIE:
            yield held[1]
            given += 1
        held = (seconds, frame)
    if held is None:
        return
    for _ in range(given, max(1, round((held[0] + period) * FPS))):
        yield held[1]


def limit_frames(frames: Iterable[Frame]) -> Iterator[Frame]:
    """The same frames; VideoError "too_long" if there are more than fit in an actor's memory."""
    for count, frame in enumerate(frames):
        if count >= MAX_FRAMES:
            raise VideoError("too_long", f"more than {MAX_FRAMES} frames; cut it into parts")
        yield frame
