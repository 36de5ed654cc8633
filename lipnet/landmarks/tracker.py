"""Tracking as units of work: the landmarks of a group of videos, found once and looked up later."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import dlib

from lipnet.files import digest_of, read_finished, write_json
from lipnet.landmarks.detector import Detector, DlibDetector, find_cnn, find_predictor
from lipnet.landmarks.store import Track, digest_video, write_tracks
from lipnet.landmarks.track import LandmarkOptions, track_landmarks
from lipnet.video.decode import VideoError, iter_frames, limit_frames


@dataclass(frozen=True)
class TrackUnit:
    """Videos (paths relative to the source's root) whose tracks share the file `name`.npz."""

    name: str
    videos: tuple[str, ...]


def plan_tracks(videos: Sequence[str], videos_per_shard: int) -> list[TrackUnit]:
    """Units of so many videos in sorted order, each video once."""
    ordered = sorted(set(videos))
    starts = range(0, len(ordered), videos_per_shard)
    return [
        TrackUnit(f"{place:06d}", tuple(ordered[start : start + videos_per_shard]))
        for place, start in enumerate(starts)
    ]


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


def describe_maker(options: LandmarkOptions, code: str) -> dict[str, object]:
    """What decides a track besides its video: options, landmark model, code and libraries."""
    kept = replace(options, predictor="", cnn="", videos_per_shard=1)
    cnn = find_cnn(options.cnn)
    models = [digest_video(path) for path in (find_predictor(options.predictor), cnn) if path]
    libraries = f"cv2 {cv2.__version__}, dlib {dlib.__version__}"
    return {"options": asdict(kept), "models": models, "code": code, "libraries": libraries}
