"""Tracking jobs: the landmarks of a group of videos, found once and looked up later."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lipnet.files import digest_of
from lipnet.landmarks.index import (
    TrackedVideo,
    TrackIndex,
    VideoFailure,
    VideoNote,
    find_index,
    write_index,
)
from lipnet.landmarks.models import describe_landmark_model, load_landmark_model
from lipnet.landmarks.notes import list_notes
from lipnet.landmarks.options import LandmarkModel, LandmarkOptions
from lipnet.landmarks.store import Track, digest_video, write_tracks
from lipnet.landmarks.track import track_landmarks
from lipnet.video.decode import Decoding, VideoError, iter_frames, limit_frames

CHANGED = "changed"  # the reason of a failure that a second try may not have


@dataclass(frozen=True)
class TrackJob:
    """Videos (paths relative to the source's root) that share the track file `name`.npz."""

    name: str
    videos: tuple[str, ...]


def plan_tracks(videos: Sequence[str], videos_per_shard: int) -> list[TrackJob]:
    """Jobs of up to `videos_per_shard` videos in sorted order, each video once."""
    ordered = sorted(set(videos))
    starts = range(0, len(ordered), videos_per_shard)
    return [
        TrackJob(f"{number:06d}", tuple(ordered[start : start + videos_per_shard]))
        for number, start in enumerate(starts)
    ]


class Tracker:
    """Makes the track files of jobs in `folder`; a job that was finished earlier is looked up."""

    def __init__(
        self,
        model: LandmarkModel,
        *,
        root: Path,
        folder: Path,
        options: LandmarkOptions,
        made_by: Mapping[str, object],
    ) -> None:
        self._model = model
        self._root = root
        self._folder = folder
        self._options = options
        self._made_by = dict(made_by)

    @classmethod
    def with_own_model(
        cls, *, root: Path, folder: Path, options: LandmarkOptions, made_by: Mapping[str, object]
    ) -> "Tracker":
        """A tracker with the landmark model of the options, loaded for it."""
        model = load_landmark_model(options)
        return cls(model, root=root, folder=folder, options=options, made_by=made_by)

    def __call__(self, job: TrackJob) -> TrackIndex:
        """The index of the job's track file, made unless the same work was done before."""
        digests = {video: digest_video(self._root / video) for video in job.videos}
        inputs = [[video, digest] for video, digest in digests.items()]
        fingerprint = digest_of({"made_by": self._made_by, "videos": inputs})
        path = self._folder / f"{job.name}.json"
        tracks = self._folder / f"{job.name}.npz"
        finished = find_index(path, fingerprint)
        # A video that was replaced while it was read may be back as it was.
        changed = finished is not None and any(f.reason == CHANGED for f in finished.failures)
        if finished is not None and not changed and tracks.is_file():
            return finished
        path.unlink(missing_ok=True)
        index = self._track(job, digests, tracks, fingerprint)
        write_index(path, index)
        return index

    def _track(
        self, job: TrackJob, digests: Mapping[str, str], path: Path, fingerprint: str
    ) -> TrackIndex:
        tracks: dict[str, Track] = {}
        failures: list[VideoFailure] = []
        notes: list[VideoNote] = []
        for video in job.videos:
            try:
                tracks[video], odd = self._track_video(video, digests[video])
                notes += [VideoNote(video, note) for note in odd]
            except VideoError as error:
                failures.append(VideoFailure(video, error.reason, error.detail))
        write_tracks(path, tracks)
        return TrackIndex(
            name=job.name,
            fingerprint=fingerprint,
            tracked=tuple(
                TrackedVideo(video, len(track.seen_T), digests[video])
                for video, track in tracks.items()
            ),
            seen_frames=int(sum(track.seen_T.sum() for track in tracks.values())),
            failures=tuple(failures),
            notes=tuple(notes),
        )

    def _track_video(self, video: str, digest: str) -> tuple[Track, list[str]]:
        """The video's track, and its notes; VideoError "changed" if it was replaced after it was
        digested."""
        path, decoded = self._root / video, Decoding()
        frames = limit_frames(iter_frames(path, decoded, pixels=self._model.pixels))
        track = track_landmarks(frames, self._model, self._options)
        if digest_video(path) != digest:
            raise VideoError(CHANGED, "the video was replaced while it was tracked")
        return track, list_notes(path, decoded, len(track.seen_T))


def describe_maker(options: LandmarkOptions, code: str) -> dict[str, object]:
    """What decides a track besides its video: the model with its options, and the code."""
    return {"landmarks": describe_landmark_model(options), "code": code}
