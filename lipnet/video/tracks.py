"""Track files: the landmarks of many videos in one .npz, the unit of work and of resuming."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from lipnet.errors import InputError
from lipnet.files import digest_of, read_json, write_atomic, write_json
from lipnet.video.decode import Frame, VideoError, iter_frames
from lipnet.video.detector import Detector, DlibDetector, find_cnn, find_predictor
from lipnet.video.landmarks import LandmarkOptions, Track, track_landmarks

# T frames  P landmark points (68)
MOST_FRAMES = 15_000  # ten minutes: landmarks and crops of one video are held in memory
MISSING = "unreadable"  # stands for the digest of a file that cannot be read


@dataclass(frozen=True)
class TrackUnit:
    """Videos (paths relative to the source's root) whose tracks share the file `name`.npz."""

    name: str
    videos: tuple[str, ...]


@dataclass(frozen=True)
class TrackPlace:
    """Where a video's track lies: frames [first, first + frames) of the file `shard`.npz."""

    shard: str
    first: int
    frames: int


def plan_tracks(videos: Sequence[str], videos_per_shard: int) -> list[TrackUnit]:
    """Units of so many videos in sorted order, each video once."""
    ordered = sorted(set(videos))
    starts = range(0, len(ordered), videos_per_shard)
    return [
        TrackUnit(f"{place:06d}", tuple(ordered[start : start + videos_per_shard]))
        for place, start in enumerate(starts)
    ]


def digest_video(path: Path) -> str:
    """The SHA-256 of a video's bytes, 16 characters; a fixed word where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError:
        return MISSING


def read_finished(index: Path, fingerprint: str) -> dict[str, Any] | None:
    """The index of a finished unit if it was made by exactly this work, else None."""
    try:
        found = read_json(index)
    except (OSError, ValueError):
        return None
    if isinstance(found, dict) and found.get("fingerprint") == fingerprint:
        return cast(dict[str, Any], found)
    return None


class Tracker:
    """Turns units into track files in `folder`; a unit finished earlier is only looked up."""

    def __init__(
        self,
        detector: Detector,
        *,
        root: Path,
        folder: Path,
        options: LandmarkOptions,
        made_by: Mapping[str, object],
    ) -> None:
        self._detector = detector
        self._root = root
        self._folder = folder
        self._options = options
        self._made_by = dict(made_by)

    @classmethod
    def with_dlib(
        cls, *, root: Path, folder: Path, options: LandmarkOptions, made_by: Mapping[str, object]
    ) -> "Tracker":
        """A tracker with a dlib detector of its own."""
        detector = DlibDetector(find_predictor(options.predictor), find_cnn(options.cnn))
        return cls(detector, root=root, folder=folder, options=options, made_by=made_by)

    def __call__(self, unit: TrackUnit) -> dict[str, Any]:
        """The unit's index: fingerprint, tracked videos and frames, failures with reasons."""
        inputs = [[video, digest_video(self._root / video)] for video in unit.videos]
        fingerprint = digest_of({"made_by": self._made_by, "videos": inputs})
        index = self._folder / f"{unit.name}.json"
        tracks = self._folder / f"{unit.name}.npz"
        finished = read_finished(index, fingerprint)
        if finished is not None and tracks.is_file():
            return finished
        index.unlink(missing_ok=True)
        record = {"name": unit.name, "fingerprint": fingerprint, **self._write(unit, tracks)}
        write_json(index, record)
        return record

    def _write(self, unit: TrackUnit, path: Path) -> dict[str, Any]:
        tracks: dict[str, Track] = {}
        failures: list[dict[str, str]] = []
        for video in unit.videos:
            try:
                frames = limit_frames(iter_frames(self._root / video))
                tracks[video] = track_landmarks(frames, self._detector, self._options)
            except VideoError as error:
                failures.append({"video": video, "reason": error.reason, "detail": error.detail})
        write_tracks(path, tracks)
        return {
            "videos": len(unit.videos),
            "tracked": [[video, len(track.seen_T)] for video, track in tracks.items()],
            "seen_frames": int(sum(track.seen_T.sum() for track in tracks.values())),
            "failures": failures,
        }


def limit_frames(frames: Iterable[Frame]) -> Iterator[Frame]:
    """The same frames; VideoError "too_long" before there are more than an actor can hold."""
    for count, frame in enumerate(frames):
        if count >= MOST_FRAMES:
            raise VideoError("too_long", f"more than {MOST_FRAMES} frames; cut it into parts")
        yield frame


def describe_maker(options: LandmarkOptions, code: str) -> dict[str, object]:
    """What decides a track besides its video: options, landmark model, code and libraries."""
    kept = replace(options, predictor="", cnn="", videos_per_shard=1)
    cnn = find_cnn(options.cnn)
    models = [digest_video(path) for path in (find_predictor(options.predictor), cnn) if path]
    libraries = f"cv2 {cv2.__version__}, dlib {dlib.__version__}"
    return {"options": asdict(kept), "models": models, "code": code, "libraries": libraries}


def write_tracks(path: Path, tracks: Mapping[str, Track]) -> None:
    """All tracks end to end, with their lengths and videos; equal tracks give equal bytes."""
    empty = Track(np.zeros((0, 68, 2), np.float32), np.zeros(0, np.bool_), np.zeros(0, np.float32))
    listed = [empty, *tracks.values()]
    with write_atomic(path) as beside, beside.open("wb") as out:
        np.savez(
            out,
            points=np.concatenate([track.points_TP2 for track in listed]),
            seen=np.concatenate([track.seen_T for track in listed]),
            score=np.concatenate([track.score_T for track in listed]),
            frames=np.array([len(track.seen_T) for track in tracks.values()], np.int64),
            videos=np.array(list(tracks), np.str_),
        )


def read_track(folder: Path, place: TrackPlace) -> Track:
    """One video's track out of its file; InputError where the file is missing or damaged."""
    arrays = _read_arrays(folder / f"{place.shard}.npz")
    span = slice(place.first, place.first + place.frames)
    return Track(arrays["points"][span], arrays["seen"][span], arrays["score"][span])


@lru_cache(maxsize=16)
def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in ("points", "seen", "score")}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(f"{path} is damaged ({error}); run the stage landmarks again") from error


def locate_tracks(indexes: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, TrackPlace]]:
    """Each tracked video with its place, as the units' indexes list them."""
    for index in indexes:
        first = 0
        for video, frames in index["tracked"]:
            yield video, TrackPlace(index["name"], first, frames)
            first += frames
