"""Stage `landmarks`: 68 points in every frame of every video of the manifest."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from cluster.pool import map_jobs
from lipnet.code import code_digest
from lipnet.files import digest_of
from lipnet.landmark_names import DLIB
from lipnet.landmarks.index import TrackIndex
from lipnet.landmarks.models import digest_model_files
from lipnet.landmarks.notes import NOTES
from lipnet.landmarks.options import LandmarkOptions
from lipnet.landmarks.summary import SUMMARY, LandmarksSummary, write_summary
from lipnet.landmarks.tracker import Tracker, TrackJob, describe_maker, plan_tracks
from lipnet.sources.manifest import read_clips
from lipnet.text import describe_failed
from pipeline.corpus import CorpusWorker
from pipeline.meter import Meter
from pipeline.outputs import EarlierJobs, move_into_place, write_failures
from pipeline.params import load_params
from pipeline.paths import Paths, source_root
from pipeline.program import run_stage

CODE = "landmarks.tracker"
FAILURES, FAILURE_COLUMNS = "failures.csv", ("video", "reason", "detail")


@dataclass(frozen=True)
class LandmarkFolders:
    """The source's root, where finished jobs wait, and where the output goes."""

    root: Path
    state: Path
    out: Path


def make_landmarks(
    videos: Sequence[str],
    folders: LandmarkFolders,
    options: LandmarkOptions,
    *,
    actors: int = 0,
    precropped: int = 0,
) -> LandmarksSummary:
    """Track every video once, and move all into `folders.out` when done; returns the summary.

    `precropped` counts the videos that need no landmarks; they are not among `videos`.
    """
    jobs = plan_tracks(videos, options.videos_per_shard)
    indexes = track_jobs(jobs, folders, options, actors=actors) if jobs else []
    summary = replace(
        summarise(indexes, len(set(videos)), precropped=precropped, model=options.model),
        files=digest_model_files(options) if jobs else {},
    )
    for line in describe_notes(indexes):
        print(f"warning: {line}")
    failures = [asdict(failure) for index in indexes for failure in index.failures]
    write_failures(folders.state / FAILURES, FAILURE_COLUMNS, failures)
    write_summary(folders.state, summary)
    made = [f"{job.name}.{kind}" for job in jobs for kind in ("npz", "json")]
    move_into_place(folders.state, folders.out, [*made, FAILURES, SUMMARY])
    return summary


def track_jobs(
    jobs: Sequence[TrackJob], folders: LandmarkFolders, options: LandmarkOptions, *, actors: int
) -> list[TrackIndex]:
    """The index of each job's tracks, in the order of the jobs."""
    root = folders.root.absolute()
    make_tracker = partial(
        Tracker.with_own_model,
        root=root,
        folder=folders.state.absolute(),
        options=options,
        made_by=describe_maker(options, code_digest(CODE)),
    )
    earlier = EarlierJobs(folders.state, [job.name for job in jobs])

    def advance(index: TrackIndex) -> None:
        count = meter.skip if index.name in earlier else meter.advance
        count(index.videos)

    with Meter(sum(len(job.videos) for job in jobs), "landmarks: videos") as meter:
        return map_jobs(
            partial(CorpusWorker, make_tracker, root),
            jobs,
            name="landmarks",
            actors=actors,
            on_result=advance,
        )


def describe_notes(indexes: Sequence[TrackIndex]) -> list[str]:
    """A line for each kind of odd video that was tracked all the same."""
    videos: dict[str, list[str]] = {}
    for index in indexes:
        for found in index.notes:
            videos.setdefault(found.note, []).append(found.video)
    return [
        f"videos with {NOTES.get(note, note)}: {len(own)}, such as {own[0]}"
        for note, own in sorted(videos.items())
    ]


def summarise(
    indexes: Sequence[TrackIndex], videos: int, *, precropped: int = 0, model: str = DLIB
) -> LandmarksSummary:
    """Counts over all jobs; RuntimeError unless videos = tracked + failed."""
    failed = Counter(failure.reason for index in indexes for failure in index.failures)
    tracked = sum(len(index.tracked) for index in indexes)
    if tracked + failed.total() != videos:
        raise RuntimeError(f"{videos} videos, but {tracked} tracked + {failed.total()} failed")
    frames = sum(index.frames for index in indexes)
    return LandmarksSummary(
        fingerprint=digest_of([index.fingerprint for index in indexes]),
        videos=videos,
        tracked_videos=tracked,
        failed=dict(sorted(failed.items())),
        frames=frames,
        interpolated_frames=frames - sum(index.seen_frames for index in indexes),
        precropped_videos=precropped,
        model=model,
    )


def main() -> None:
    """Track the profile's videos into data/<profile>/landmarks/."""
    params = load_params()
    paths = Paths(params.profile)
    clips = read_clips(paths.manifest)
    videos = [clip.video for clip in clips if not clip.ready]
    precropped = len({clip.video for clip in clips if clip.ready})
    folders = LandmarkFolders(source_root(params), paths.tmp / "landmarks", paths.landmarks)
    summary = make_landmarks(
        videos, folders, params.landmarks, actors=params.workers.actors, precropped=precropped
    )
    print(
        f"landmarks ({summary.model}): {summary.videos} videos = "
        f"{summary.tracked_videos} tracked + {describe_failed(summary.failed)}; "
        f"{summary.frames} frames, {summary.interpolated_frames} interpolated"
        + (f"; {precropped} folders of precropped images need none" if precropped else "")
    )


if __name__ == "__main__":
    run_stage(main)
