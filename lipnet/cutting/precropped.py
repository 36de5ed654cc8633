"""Precropped clips: the corpus's own images of mouths, read without landmarks."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.clip import Clip
from lipnet.video.decode import VideoError
from lipnet.video.images import digest_images, find_images, read_images

# T frames  H W pixels


def read_precropped(clip: Clip, root: Path, size: int) -> tuple[Clip, NDArray[np.uint8]]:
    """The clip with its frames counted from its window's first, and the window [T, size, size].

    VideoError (missing, frame_missing, unreadable_frame) if it cannot be read whole.
    """
    crops_THW = read_images(find_images(root / clip.video, clip.first, clip.last), size)
    word = {name: getattr(clip, name) - clip.first for name in ("word_first", "word_last")}
    return replace(clip, first=0, last=len(crops_THW), **word), crops_THW


def digest_precropped(clips: Sequence[Clip], root: Path) -> str:
    """16 hex characters: a digest of what `read_precropped` would read, or of its errors."""
    total = hashlib.sha256()
    for clip in clips:
        try:
            found = digest_images(find_images(root / clip.video, clip.first, clip.last))
        except VideoError as error:
            found = str(error)
        total.update(found.encode())
    return total.hexdigest()[:16]


def describe_precropped(size: int) -> dict[str, object]:
    """What decides such a crop besides image and code."""
    return {"size": size, "ready": True, "opencv": cv2.__version__}
