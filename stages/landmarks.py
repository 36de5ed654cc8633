"""Stage `landmarks`: 68 points in every frame of every video of the manifest."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cluster.pool import map_shards
from lipnet.code import code_digest
from lipnet.files import digest_of, write_json
from lipnet.landmarks.track import LandmarkOptions
from lipnet.landmarks.tracker import Tracker, TrackUnit, describe_maker, plan_tracks
from lipnet.sources.manifest import read_clips
from pipeline.command import run_stage
from pipeline.meter import Meter
from pipeline.params import load_params
from pipeline.paths import Paths, source_root
from pipeline.units import move_into_place, write_failures

CODE = "landmarks.tracker"
FAILURE_COLUMNS = ("video", "reason", "detail")


@dataclass(frozen=True)
class LandmarkFolders:
    """The source's root, where finished units wait, and where the whole goes."""

    root: Path
    state: Path
    place: Path


def make_landmarks(
    videos: Sequence[str],
    folders: LandmarkFolders,
    options: LandmarkOptions,
    *,
    actors: int = 0,
    ready: int = 0,
) -> dict[str, Any]:
    """Track every video once, into `folders.place` when all is done; returns the summary.

    It also says how many videos are `ready`, their mouths cut by the corpus: not looked at here.
    """
    units = plan_tracks(videos, options.videos_per_shard)
    records = track_units(units, folders, options, actors=actors) if units else []
    summary = {**summarise(records, len(set(videos))), "ready_videos": ready}
    failures = [failure for record in records for failure in record["failures"]]
    write_failures(folders.state / "failures.csv", FAILURE_COLUMNS, failures)
    write_json(folders.state / "summary.json", summary)
    made = [f"{unit.name}.{kind}" for unit in units for kind in ("npz", "json")]
    move_into_place(folders.state, folders.place, [*made, "failures.csv", "summary.json"])
    return summary


def track_units(
    units: Sequence[TrackUnit], folders: LandmarkFolders, options: LandmarkOptions, *, actors: int
) -> list[dict[str, Any]]:
    """The index of each unit's tracks, in the units' order."""
    make_worker = partial(
        Tracker.with_dlib,
        root=folders.root.resolve(),
        folder=folders.state.resolve(),
        options=options,
        made_by=describe_maker(options, code_digest(CODE)),
    )
    with Meter(sum(len(unit.videos) for unit in units), "landmarks: videos") as meter:
        return map_shards(
            make_worker,
            units,
            name="landmarks",
            actors=actors,
            on_result=lambda record: meter.advance(record["videos"]),
        )


def summarise(records: Sequence[dict[str, Any]], videos: int) -> dict[str, Any]:
    """Counts over all units; RuntimeError unless videos in = tracked + failed."""
    failed = Counter(failure["reason"] for record in records for failure in record["failures"])
    frames = [count for record in records for _, count in record["tracked"]]
    if len(frames) + failed.total() != videos:
        raise RuntimeError(f"{videos} videos, but {len(frames)} tracked + {failed.total()} failed")
    seen = sum(record["seen_frames"] for record in records)
    return {
        "fingerprint": digest_of([record["fingerprint"] for record in records]),
        "videos": {"in": videos, "out": len(frames), "failed": dict(sorted(failed.items()))},
        "frames": {"tracked": sum(frames), "interpolated": sum(frames) - seen},
    }


def main() -> None:
    """Track the profile's videos into data/<profile>/landmarks/."""
    params = load_params()
    paths = Paths(params.profile)
    clips = read_clips(paths.manifest)
    videos = [clip.video for clip in clips if not clip.ready]
    ready = len({clip.video for clip in clips if clip.ready})
    folders = LandmarkFolders(source_root(params), paths.tmp / "landmarks", paths.landmarks)
    summary = make_landmarks(
        videos, folders, params.landmarks, actors=params.workers.actors, ready=ready
    )
    counts, frames = summary["videos"], summary["frames"]
    print(
        f"landmarks: {counts['in']} videos = {counts['out']} tracked + "
        f"{sum(counts['failed'].values())} failed {counts['failed'] or ''}; "
        f"{frames['tracked']} frames, {frames['interpolated']} interpolated"
        + (f"; {ready} folders of ready crops need none" if ready else "")
    )


if __name__ == "__main__":
    run_stage(main)
