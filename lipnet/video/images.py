"""Images: the frames of a folder of numbered, cropped images, as grey squares of one size."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.image_size import find_size
from lipnet.stills import FrameMissing, choose_images, list_images
from lipnet.video.decode import VideoError

# T frames  H W pixels
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
JPEG_TAIL = 1024  # bytes; some writers add bytes after the end


def find_images(folder: Path, first: int, last: int) -> list[Path]:
    """The images of frames [first, last), frame 0 being image 1; VideoError if one is missing.

    Reasons: missing (no folder), frame_missing.
    """
    try:
        images = list_images(folder)
    except OSError as error:
        raise VideoError("missing", error.strerror or "no such folder") from None
    try:
        names = choose_images(images, range(first + 1, last + 1))
    except FrameMissing as error:
        raise VideoError("frame_missing", str(error)) from None
    return [folder / name for name in names]


def read_images(images: Sequence[Path], size: int) -> NDArray[np.uint8]:
    """The images [T, size, size], grey; VideoError "unreadable_frame" if one cannot be decoded."""
    return np.stack([_read_image(path, size) for path in images])


def digest_images(images: Sequence[Path]) -> str:
    """The SHA-256 of the images' bytes, 16 characters; one that cannot be read counts as empty."""
    total = hashlib.sha256()
    for path in images:
        total.update(hashlib.sha256(_read_bytes(path)).digest())
    return total.hexdigest()[:16]


def _read_image(path: Path, size: int) -> NDArray[np.uint8]:
    content = _read_bytes(path)
    if not content:
        raise VideoError("unreadable_frame", f"{path.name} is empty or cannot be read")
    # OpenCV fills the missing part of a truncated JPEG with grey, without an error.
    if content.startswith(JPEG_START) and JPEG_END not in content[-JPEG_TAIL:]:
        raise VideoError("unreadable_frame", f"{path.name} is cut short")
    try:
        find_size(content)
    except ValueError as error:
        raise VideoError("unreadable_frame", f"{path.name} cannot be decoded ({error})") from None
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error:
        image = None
    if image is None:
        raise VideoError("unreadable_frame", f"{path.name} cannot be decoded")
    flags = cv2.INTER_AREA if min(image.shape) > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size, size), interpolation=flags), np.uint8)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
