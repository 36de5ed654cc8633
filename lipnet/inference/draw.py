"""Drawing: a frame with its landmarks, the face's box and the square of the mouth's crop."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.clip import FPS
from lipnet.files import write_atomic

# T frames  H W pixels  C colours  P landmark points (68)
SEEN, FILLED, MOUTH = (80, 220, 80), (60, 60, 240), (240, 180, 40)  # blue, green, red
PARTS = 8  # per pixel: OpenCV draws at 1 / 2**SHIFT of a pixel
SHIFT = 3
SIDE_PER_LINE = 300  # pixels of the frame's shorter side per pixel of line width
CODEC = "mp4v"  # OpenCV's wheels have no H.264 encoder


def draw_face(
    frame_HW: NDArray[np.uint8],
    points_P2: NDArray[np.floating],
    matrix_23: NDArray[np.float64],
    *,
    size: int,
    seen: bool,
) -> NDArray[np.uint8]:
    """The frame [H, W, 3] with points and their box, green if seen and red if interpolated, and in
    blue the square that `matrix_23` maps to `size` x `size` pixels."""
    drawn_HWC = cv2.cvtColor(frame_HW, cv2.COLOR_GRAY2BGR)
    thick = max(1, round(min(frame_HW.shape) / SIDE_PER_LINE))
    colour = SEEN if seen else FILLED
    low, high = points_P2.min(axis=0), points_P2.max(axis=0)
    face = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
    for corners_42, shade in ((face, colour), (square_of(matrix_23, size), MOUTH)):
        outline = [np.rint(corners_42 * PARTS).astype(np.int32)]
        cv2.polylines(drawn_HWC, outline, True, shade, thick, cv2.LINE_AA, SHIFT)
    for x, y in np.rint(np.asarray(points_P2) * PARTS).astype(int).tolist():
        cv2.circle(drawn_HWC, (x, y), thick * PARTS, colour, -1, cv2.LINE_AA, SHIFT)
    return np.asarray(drawn_HWC, np.uint8)


def square_of(matrix_23: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The corners of a crop in its frame."""
    # A crop's first pixel covers -0.5 to 0.5, as OpenCV counts.
    low, high = -0.5, size - 0.5
    corners_42 = np.array([(low, low), (high, low), (high, high), (low, high)])
    back_23 = cv2.invertAffineTransform(matrix_23)
    return np.asarray(corners_42 @ back_23[:, :2].T + back_23[:, 2], np.float64)


def write_movie(path: Path, frames: Iterable[NDArray[np.uint8]]) -> None:
    """An .mp4 of frames [H, W, 3] at 25 fps, whole or not at all; OSError if frames are missing."""
    path = path.absolute()  # so that OpenCV does not take a name for a protocol
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:  # OpenCV would crash
        raise OSError(errno.EILSEQ, os.strerror(errno.EILSEQ), str(path)) from None
    with write_atomic(path) as temporary:
        movie = temporary.with_name(f"{temporary.name}.mp4")  # the suffix chooses the container
        try:
            written = _encode(movie, frames)
            _check_whole(movie, written)
            movie.replace(temporary)
        finally:
            movie.unlink(missing_ok=True)


def _encode(path: Path, frames: Iterable[NDArray[np.uint8]]) -> int:
    writer = cv2.VideoWriter()
    written = 0
    try:
        for frame_HWC in frames:
            even_HWC = _make_even(frame_HWC)
            if not written:
                shape = (even_HWC.shape[1], even_HWC.shape[0])
                writer.open(str(path), cv2.VideoWriter.fourcc(*CODEC), FPS, shape)
            writer.write(even_HWC)
            written += 1
    finally:
        writer.release()
    return written


def _make_even(frame_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The frame with its last row or column repeated if their number is odd: MPEG-4 needs it."""
    height, width = frame_HWC.shape[:2]
    pads = ((0, height % 2), (0, width % 2), (0, 0))
    return np.pad(frame_HWC, pads, mode="edge") if height % 2 or width % 2 else frame_HWC


def _check_whole(path: Path, frames: int) -> None:
    """OSError if the movie lacks frames: the writer does not report a full disk."""
    reader = cv2.VideoCapture(str(path))
    found = round(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
    reader.release()
    if found != frames:
        raise OSError(errno.EIO, f"{os.strerror(errno.EIO)}: {found} of {frames} frames", str(path))
