"""TrackIndex: which videos one track file holds, and which have no track, in a JSON file."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from lipnet.errors import InputError
from lipnet.files import read_json, write_json
from lipnet.landmarks.store import TrackSpan
from lipnet.records import Record


@dataclass(frozen=True)
class TrackedVideo:
    """A video with a track of `frames` frames, and the digest of its bytes."""

    video: str
    frames: int
    digest: str


@dataclass(frozen=True)
class VideoFailure:
    """A video that could not be tracked, and why."""

    video: str
    reason: str
    detail: str


@dataclass(frozen=True)
class VideoNote:
    """A tracked video, and a key of `NOTES`: what is odd about it."""

    video: str
    note: str


@dataclass(frozen=True)
class TrackIndex:
    """The track file `name`.npz: its videos in order, and those that failed. `seen_frames` counts
    the frames with landmarks that were not interpolated; `notes` are of the tracked videos."""

    name: str
    fingerprint: str
    tracked: tuple[TrackedVideo, ...]
    seen_frames: int
    failures: tuple[VideoFailure, ...] = ()
    notes: tuple[VideoNote, ...] = ()

    @property
    def videos(self) -> int:
        """The videos of the job, tracked or failed."""
        return len(self.tracked) + len(self.failures)

    @property
    def frames(self) -> int:
        """The frames of all tracked videos."""
        return sum(tracked.frames for tracked in self.tracked)


def write_index(path: Path, index: TrackIndex) -> None:
    """Write the index; equal indexes give equal bytes."""
    record = {**asdict(index), "videos": index.videos}
    if not index.notes:  # as in most corpora, and in indexes of earlier versions
        del record["notes"]
    write_json(path, record)


def read_index(path: Path) -> TrackIndex:
    """Read an index; InputError for a file that is damaged or something else."""
    try:
        found = Record(read_json(path))
        index = TrackIndex(
            name=found.text("name"),
            fingerprint=found.text("fingerprint"),
            tracked=tuple(map(_parse_tracked, found.list("tracked"))),
            seen_frames=found.count("seen_frames"),
            failures=tuple(map(_parse_failure, found.list("failures"))),
            notes=tuple(map(_parse_note, found.list("notes") if "notes" in found else [])),
        )
        if found.count("videos") != index.videos:
            raise ValueError(f"it lists {index.videos} of {found.count('videos')} videos")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is not the index of a track file ({error}); run the stage landmarks again"
        ) from error
    return index


def find_index(path: Path, fingerprint: str) -> TrackIndex | None:
    """The index at `path` if it is intact and has this fingerprint, else None."""
    try:
        found = read_index(path)
    except InputError:
        return None
    return found if found.fingerprint == fingerprint else None


def read_indexes(folder: Path) -> list[TrackIndex]:
    """All indexes of the stage's folder, in order."""
    return [read_index(path) for path in sorted(folder.glob("[0-9]*.json"))]


def locate_tracks(indexes: Iterable[TrackIndex]) -> Iterator[tuple[str, TrackSpan]]:
    """Each tracked video and where its track is."""
    for index in indexes:
        first = 0
        for tracked in index.tracked:
            yield tracked.video, TrackSpan(index.name, first, tracked.frames, tracked.digest)
            first += tracked.frames


def _parse_tracked(value: object) -> TrackedVideo:
    found = Record(value)
    tracked = TrackedVideo(found.text("video"), found.count("frames"), found.text("digest"))
    if not tracked.frames or not tracked.digest:
        raise ValueError(f"{tracked.video} has no frames or no digest")
    return tracked


def _parse_note(value: object) -> VideoNote:
    found = Record(value)
    return VideoNote(found.text("video"), found.text("note"))


def _parse_failure(value: object) -> VideoFailure:
    found = Record(value)
    return VideoFailure(found.text("video"), found.text("reason"), found.text("detail"))
