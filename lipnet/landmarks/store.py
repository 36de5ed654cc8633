"""Track files: the landmarks of many videos in one .npz."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipnet.errors import InputError
from lipnet.files import write_atomic
from lipnet.npz import read_npz

# T frames  P landmark points (68)
MISSING = "unreadable"  # in place of the digest of a file that cannot be read


@dataclass(frozen=True)
class Track:
    """A face through a video: points (x, y), the frames in which they were seen rather than
    interpolated, and the detector's score (interpolated between detections, 0 if not seen)."""

    points_TP2: NDArray[np.float32]
    seen_T: NDArray[np.bool_]
    score_T: NDArray[np.float32]


@dataclass(frozen=True)
class TrackSpan:
    """Where a video's track is: frames [first, first + frames) of the file `shard`.npz.

    `digest` is that of the video's bytes when it was tracked.
    """

    shard: str
    first: int
    frames: int
    digest: str = ""


def digest_video(path: Path) -> str:
    """The SHA-256 of a video's bytes, 16 characters; MISSING if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError:
        return MISSING


def write_tracks(path: Path, tracks: Mapping[str, Track]) -> None:
    """All tracks end to end, with their lengths and videos; equal tracks give equal bytes."""
    empty = Track(np.zeros((0, 68, 2), np.float32), np.zeros(0, np.bool_), np.zeros(0, np.float32))
    listed = [empty, *tracks.values()]
    with write_atomic(path) as temporary, temporary.open("wb") as out:
        np.savez(
            out,
            points=np.concatenate([track.points_TP2 for track in listed]),
            seen=np.concatenate([track.seen_T for track in listed]),
            score=np.concatenate([track.score_T for track in listed]),
            frames=np.array([len(track.seen_T) for track in tracks.values()], np.int64),
            videos=np.array(list(tracks), np.str_),
        )


def read_track(folder: Path, span: TrackSpan) -> Track:
    """One video's track out of its file; InputError if the file is missing or damaged."""
    arrays = _read_arrays(folder / f"{span.shard}.npz")
    frames = slice(span.first, span.first + span.frames)
    track = Track(arrays["points"][frames], arrays["seen"][frames], arrays["score"][frames])
    if len(track.seen_T) != span.frames:
        raise InputError(
            f"{folder / span.shard}.npz ends before frame {span.first + span.frames}; "
            "run the stage landmarks again"
        )
    return track


@lru_cache(maxsize=16)
def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        arrays = read_npz(path, ("points", "seen", "score"))
        _check_arrays(**arrays)
        return arrays
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); run the stage landmarks again") from error


def _check_arrays(points: NDArray[Any], seen: NDArray[Any], score: NDArray[Any]) -> None:
    """ValueError unless the arrays are those of tracks of equal length."""
    kinds = [(found.dtype.name, found.shape) for found in (points, seen, score)]
    frames = len(seen) if seen.ndim == 1 else -1
    if kinds != [("float32", (frames, 68, 2)), ("bool", (frames,)), ("float32", (frames,))]:
        raise ValueError(f"its arrays are {kinds}")
