"""The landmarks of a profile as a whole: summary.json, and its only reader."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lipnet.errors import InputError
from lipnet.files import read_json, write_json
from lipnet.landmark_names import DLIB
from lipnet.records import Record

SUMMARY = "summary.json"


@dataclass(frozen=True)
class LandmarksSummary:
    """All tracks: a digest of their fingerprints, how many videos there were, how many were tracked
    and how many failed, by reason; `precropped_videos` need no landmarks and are not among them.
    `model` is the landmark model, and `files` are the digests of those of its files that
    parameters name."""

    fingerprint: str
    videos: int
    tracked_videos: int
    failed: Mapping[str, int]
    frames: int
    interpolated_frames: int
    precropped_videos: int = 0
    model: str = DLIB
    files: Mapping[str, str] = field(default_factory=dict)


def write_summary(folder: Path, summary: LandmarksSummary) -> None:
    """Write the summary; equal summaries give equal bytes."""
    videos = {
        "in": summary.videos,
        "out": summary.tracked_videos,
        "failed": dict(summary.failed),
    }
    frames = {"tracked": summary.frames, "interpolated": summary.interpolated_frames}
    record = {
        "fingerprint": summary.fingerprint,
        "model": summary.model,
        "videos": videos,
        "frames": frames,
        "ready_videos": summary.precropped_videos,
        **({"files": dict(summary.files)} if summary.files else {}),
    }
    write_json(folder / SUMMARY, record)


def read_summary(folder: Path) -> LandmarksSummary:
    """The summary in the folder; InputError if it is missing or damaged."""
    path = folder / SUMMARY
    try:
        found = Record(read_json(path))
        videos, frames = found.record("videos"), found.record("frames")
        return LandmarksSummary(
            fingerprint=found.text("fingerprint"),
            videos=videos.count("in"),
            tracked_videos=videos.count("out"),
            failed=videos.counts("failed"),
            frames=frames.count("tracked"),
            interpolated_frames=frames.count("interpolated"),
            # Summaries of earlier versions do not have these.
            precropped_videos=found.count("ready_videos") if "ready_videos" in found else 0,
            model=found.text("model") if "model" in found else DLIB,
            files=found.texts("files") if "files" in found else {},
        )
    except FileNotFoundError:
        raise InputError(f"no landmarks in {folder}; run the stage landmarks first") from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is not what the stage landmarks writes ({error}); run it again"
        ) from error
