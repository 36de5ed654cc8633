"""One odd input: how it is written, and where it may end.

An end is "fine" (cut into a shard), or the stage that gave it up and its reason, such as
"landmarks no_face"; where damage is random, every end that accounts for the clip is right.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.malformed import scenes
from tests.malformed.movies import Write, write_movie

WORD, PLACE = "ODD", "ODD/train"
# The word fills the video, so that a clip of one frame still shows it.
TEXT = b"Text:  ODD\nDuration: 1.16 seconds\n"
SHORT_TEXT = b"Text:  ODD\nDuration: 0.47 seconds\n"
UNUSABLE = ("landmarks unreadable", "landmarks no_frames")
NOT_CUT = ("cut word_missing", "cut cut_short")
ACCOUNTED = ("fine", "landmarks no_face", "landmarks changed", *NOT_CUT, *UNUSABLE)
NO_FACE = ("landmarks no_face",)
EITHER = ("fine", "landmarks no_face")
REFUSED_NAME = ("manifest unexpected_name",)


@dataclass(frozen=True)
class Odd:
    """One input; `file` is its name below PLACE where it has not the usual one."""

    name: str
    write: Write
    ends: tuple[str, ...] = ("fine",)
    text: Write | None = None
    file: str = ""


def put(content: bytes) -> Write:
    """A file of these bytes."""
    return lambda path: path.write_bytes(content)


def nothing(path: Path) -> None:
    """No file at all."""


def movie(frames: Callable[[], scenes.Frames] = scenes.face, **how: object) -> Write:
    """A video of a scene."""
    return lambda path: write_movie(path, frames(), **how)  # type: ignore[arg-type]
