"""Notes: what is odd about a video that can be read all the same, so that it can be reported."""

from collections.abc import Iterator
from pathlib import Path

from lipnet.video.decode import Decoding

MAX_STRETCH = 2  # frames at 25 per second for each frame of the file
MAX_INDEX = 2**26  # bytes of an MP4's index that are searched
NOTES = {
    "not_square": "pixels that are not square, which were made square",
    "stretched": f"over {MAX_STRETCH} frames at 25 per second for each of their own (a low rate, "
    "or a damaged table of times)",
    "several_streams": "several video streams, of which the first was used",
}


def list_notes(path: Path, decoded: Decoding, frames: int) -> list[str]:
    """The keys of NOTES that apply to a video that was decoded into `frames` frames."""
    odd = {
        "not_square": decoded.aspect != 1,
        "stretched": frames > MAX_STRETCH * decoded.frames,
        "several_streams": count_video_tracks(path) > 1,
    }
    return [note for note, applies in odd.items() if applies]


def count_video_tracks(path: Path) -> int:
    """The video tracks in an MP4's or MOV's index; 0 for a file of another kind or without one."""
    with path.open("rb") as file:
        end = path.stat().st_size
        at = 0
        while at + 8 <= end:
            file.seek(at)
            head = file.read(16)
            size, start = _size_of(head, end - at)
            if size < start:
                return 0
            if head[4:8] == b"moov":
                file.seek(at + start)
                return _count_tracks(file.read(min(size - start, MAX_INDEX)))
            at += size
    return 0


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
