"""Boxes: the parts of an MP4 or MOV file, which state its tracks and where it should end."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAX_INDEX = 2**26  # bytes of an MP4's index that are searched


def count_video_tracks(path: Path) -> int:
    """The video tracks in an MP4's or MOV's index; 0 for a file of another kind or without one."""
    with path.open("rb") as file:
        for box in _walk(file, path.stat().st_size):
            if box.kind == b"moov":
                file.seek(box.at + box.start)
                return _count_tracks(file.read(min(box.size - box.start, MAX_INDEX)))
    return 0


def is_cut_short(path: Path) -> bool:
    """Whether an MP4 or MOV ends within its media data; False for a file of another kind.

    The frames that its index has are no measure: of a trimmed video, fewer are shown.
    """
    with path.open("rb") as file:
        end = path.stat().st_size
        boxes = list(_walk(file, end))
    indexed = any(box.kind == b"moov" for box in boxes)
    return indexed and any(box.kind == b"mdat" and box.at + box.size > end for box in boxes)


@dataclass(frozen=True)
class _Box:
    """A box of a file: its kind, where it is, its size, and where in it the contents start."""

    kind: bytes
    at: int
    size: int
    start: int


def _walk(file: BinaryIO, end: int) -> Iterator[_Box]:
    """The boxes that are not in others, up to one that is impossible."""
    at = 0
    while at + 8 <= end:
        file.seek(at)
        head = file.read(16)
        size, start = _size_of(head, end - at)
        if size < start:
            return
        yield _Box(head[4:8], at, size, start)
        at += size


def _count_tracks(index: bytes) -> int:
    handlers = (
        handler[8:12]
        for track in _find_boxes(index, b"trak")
        for media in _find_boxes(track, b"mdia")
        for handler in _find_boxes(media, b"hdlr")
    )
    return sum(handler == b"vide" for handler in handlers)


def _find_boxes(content: bytes, kind: bytes) -> Iterator[bytes]:
    """The contents of the boxes of this kind, directly in the content."""
    at = 0
    while at + 8 <= len(content):
        size, start = _size_of(content[at : at + 16], len(content) - at)
        if size < start:
            return
        if content[at + 4 : at + 8] == kind:
            yield content[at + start : at + size]
        at += size


def _size_of(head: bytes, rest: int) -> tuple[int, int]:
    """A box's size with its header, and its header's; a size of 0 means all the rest."""
    size = int.from_bytes(head[:4], "big")
    if size == 1:
        return int.from_bytes(head[8:16], "big"), 16
    return size or rest, 8
