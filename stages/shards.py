"""Stage `shards`: mouth crops of every clip of the manifest, packed in shards."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from cluster.pool import map_jobs
from lipnet.clip import FPS, SPLITS, Clip
from lipnet.code import code_digest
from lipnet.crops.crop import CropOptions, describe_crops
from lipnet.cutting.cut import CutFolders, Cutter
from lipnet.cutting.leaks import find_leaks
from lipnet.cutting.plan import CutJob, plan_shards
from lipnet.cutting.precropped import describe_precropped
from lipnet.cutting.upload import check_url, resolve_url
from lipnet.errors import InputError
from lipnet.files import digest_of
from lipnet.landmarks.index import VideoFailure, locate_tracks, read_indexes
from lipnet.landmarks.store import TrackSpan
from lipnet.landmarks.summary import read_summary
from lipnet.shards.codec import DEFAULT_CODEC
from lipnet.shards.index import ClipFailure, ShardIndex, pixel_stats
from lipnet.shards.summary import LABELS, SUMMARY, ShardsSummary, SplitSummary, write_summary
from lipnet.sources.manifest import check_complete, describe_gaps, read_clips, read_labels
from lipnet.speakers import SpeakerOverlap
from lipnet.text import describe_failed, format_counts
from pipeline.corpus import CorpusWorker
from pipeline.meter import Meter
from pipeline.outputs import EarlierJobs, move_into_place, write_failures
from pipeline.params import load_params
from pipeline.paths import Paths, source_root
from pipeline.program import run_stage
from pipeline.timings import TimedWorker, write_timings

CODE = "cutting.cut"
FAILURES, FAILURE_COLUMNS = "failures.csv", ("clip_id", "reason", "detail")


@dataclass(frozen=True)
class ShardFolders:
    """The source's root, the manifest, the tracks, where finished shards wait, and where the output
    goes; the URL that the tars go to instead, and where timings go, if anywhere."""

    root: Path
    manifest: Path
    landmarks: Path
    state: Path
    out: Path
    url: str = ""
    timings: Path | None = None


def make_shards(
    folders: ShardFolders,
    crops: CropOptions,
    *,
    clips_per_shard: int = 256,
    codec: str = DEFAULT_CODEC,
    actors: int = 0,
) -> ShardsSummary:
    """Cut every clip once, and move all into `folders.out` when done; returns the summary.

    With a URL the tars go there, and `folders.out` holds their indexes and tables.
    """
    check_url(folders.url)
    clips = read_clips(folders.manifest)
    labels = read_labels(folders.manifest)
    model, tracks, lost = read_landmarks(folders.landmarks)
    cropping = describe_cropping(clips, crops, model)
    cuttable = [clip for clip in clips if clip.ready or clip.video in tracks]
    failures = [
        fail_with_video(clip, lost) for clip in clips if not clip.ready and clip.video not in tracks
    ]
    for line in describe_leaks(cuttable, tracks):
        print(f"warning: {line}")
    check_survivors(clips, failures)
    jobs = plan_shards(cuttable, tracks, clips_per_shard)
    make_cutter = partial(
        Cutter,
        locate(folders),
        options=crops.for_landmarks(model),
        labels=labels,
        made_by={"crops": cropping, "code": code_digest(CODE)},
        codec=codec,
    )
    make_worker = partial(CorpusWorker, make_cutter, folders.root.absolute())
    indexes = cut_jobs(jobs, make_worker, folders.state, actors=actors, timings=folders.timings)
    failures += [failure for index in indexes for failure in index.failures]
    check_survivors(clips, failures)
    for line in describe_precropped_leaks(clips, folders.state, indexes):
        print(f"warning: {line}")
    for line in describe_new_gaps(clips, failures):
        print(f"warning: after {len(failures)} clips failed, {line}")
    preprocessing = {**cropping, "fps": FPS}
    summary = summarise(
        clips, failures, indexes, preprocessing=preprocessing, codec=codec, url=folders.url
    )
    write_summary(folders.state, summary, labels)
    rows = [asdict(failure) for failure in failures]
    write_failures(folders.state / FAILURES, FAILURE_COLUMNS, rows)
    move_into_place(folders.state, folders.out, [*name_files(indexes), LABELS, FAILURES, SUMMARY])
    return summary


def summarise(
    clips: Sequence[Clip],
    failures: Sequence[ClipFailure],
    indexes: Sequence[ShardIndex],
    *,
    preprocessing: Mapping[str, object],
    codec: str,
    url: str,
) -> ShardsSummary:
    """The summary of all shards: their clips, pixels and bytes, how they were cut, and where they
    are stored."""
    pixels = pixel_stats(index.contents for index in indexes if index.split == "train")
    return ShardsSummary(
        fingerprint=digest_of([index.fingerprint for index in indexes]),
        splits=count_splits(clips, failures, indexes),
        pixel_mean=pixels.mean,
        pixel_std=pixels.std,
        bytes=sum(index.contents.bytes for index in indexes),
        overlap=SpeakerOverlap.of((clip.split, clip.speaker) for clip in clips),
        preprocessing=preprocessing,
        codec=codec,
        url=url,
    )


def name_files(indexes: Sequence[ShardIndex]) -> list[str]:
    """Each job's index; its table unless every clip failed; its shard if that is kept here."""
    names = []
    for index in indexes:
        table = ["csv"] if index.contents.clips else []
        shard = ["tar"] if index.contents.clips and not index.url else []
        names += [f"{index.name}.{kind}" for kind in ("json", *table, *shard)]
    return names


def read_landmarks(folder: Path) -> tuple[str, dict[str, TrackSpan], dict[str, VideoFailure]]:
    """The landmark model, where each tracked video's landmarks are, and each failed video's
    record."""
    model = read_summary(folder).model  # an InputError if the stage did not finish
    indexes = read_indexes(folder)
    lost = {failure.video: failure for index in indexes for failure in index.failures}
    return model, dict(locate_tracks(indexes)), lost


def describe_cropping(clips: Sequence[Clip], crops: CropOptions, model: str) -> dict[str, object]:
    """What decides the crops; for precropped clips, no more than their size."""
    precropped = any(clip.ready for clip in clips)
    return describe_precropped(crops.size) if precropped else describe_crops(crops, model)


def fail_with_video(clip: Clip, lost: Mapping[str, VideoFailure]) -> ClipFailure:
    """The record of a clip whose video failed; InputError if the video was never looked at."""
    if clip.video not in lost:
        raise InputError(f"{clip.video} has no landmarks; run the stage landmarks again")
    failure = lost[clip.video]
    return ClipFailure(clip.clip_id, failure.reason, failure.detail)


def check_survivors(clips: Sequence[Clip], failures: Sequence[ClipFailure]) -> None:
    """InputError if the clips that did not fail lack a split, or a label to train on."""
    gone = {failure.clip_id for failure in failures}
    try:
        check_complete([clip for clip in clips if clip.clip_id not in gone])
    except InputError as error:
        reasons = format_counts(Counter(failure.reason for failure in failures))
        after = f" (after {len(failures)} clips failed: {reasons})" if failures else ""
        raise InputError(f"{error}{after}") from error


def describe_new_gaps(clips: Sequence[Clip], failures: Sequence[ClipFailure]) -> list[str]:
    """The gaps of `describe_gaps` that are there because clips failed."""
    gone = {failure.clip_id for failure in failures}
    before = describe_gaps(clips)
    after = describe_gaps([clip for clip in clips if clip.clip_id not in gone]) if gone else []
    return [line for line in after if line not in before]


def describe_leaks(clips: Sequence[Clip], tracks: Mapping[str, TrackSpan]) -> list[str]:
    """A line if clips of several splits come from videos with the same bytes, under any names."""
    found: dict[str, dict[str, str]] = {}  # of each digest, a video per split
    for clip in clips:
        if clip.video in tracks:
            found.setdefault(tracks[clip.video].digest, {}).setdefault(clip.split, clip.video)
    return _describe("videos whose bytes are", [own for own in found.values() if len(own) > 1])


def describe_precropped_leaks(
    clips: Sequence[Clip], state: Path, indexes: Sequence[ShardIndex]
) -> list[str]:
    """The same for precropped clips, whose crops are compared: their videos are folders."""
    if not any(clip.ready for clip in clips):
        return []
    return _describe(
        "clips whose images are", find_leaks([state / f"{index.name}.json" for index in indexes])
    )


def _describe(what: str, leaks: Sequence[Mapping[str, str]]) -> list[str]:
    """A line if there are leaks; each is a name per split."""
    if not leaks:
        return []
    such = " and ".join(f"{name} in {split}" for split, name in sorted(leaks[0].items()))
    return [
        f"{what} in several splits: {len(leaks)}, such as {such}; a model is "
        "measured on what it was trained on, so keep each in one split"
    ]


def locate(folders: ShardFolders) -> CutFolders:
    """The folders as absolute paths: actors run in other folders."""
    root, landmarks, state = (
        path.absolute() for path in (folders.root, folders.landmarks, folders.state)
    )
    return CutFolders(root, landmarks, state, folders.url)


def cut_jobs(
    jobs: Sequence[CutJob],
    make_worker: Callable[[], Callable[[CutJob], ShardIndex]],
    state: Path,
    *,
    actors: int,
    timings: Path | None,
) -> list[ShardIndex]:
    """The index of each job's shard, in the order of the jobs; `state` has those of an earlier
    run."""
    earlier = EarlierJobs(state, [job.name for job in jobs])

    def advance(result: tuple[ShardIndex, float]) -> None:
        index, _ = result
        count = meter.skip if index.name in earlier else meter.advance
        count(index.contents.clips + len(index.failures))

    clips = sum(len(video.clips) for job in jobs for video in job.videos)
    with Meter(clips, "shards: clips") as meter:
        timed = map_jobs(
            partial(TimedWorker, make_worker), jobs, name="shards", actors=actors, on_result=advance
        )
    if timings is not None:
        rows = [(index.name, index.contents.clips, len(index.failures), s) for index, s in timed]
        write_timings(timings, rows)
    return [index for index, _ in timed]


def count_splits(
    clips: Sequence[Clip], failures: Sequence[ClipFailure], indexes: Sequence[ShardIndex]
) -> dict[str, SplitSummary]:
    """Each split's clips by outcome; RuntimeError unless clips = cut + failed."""
    split_of = {clip.clip_id: clip.split for clip in clips}
    expected = Counter(split_of.values())
    splits = {}
    for split in (split for split in SPLITS if split in expected):
        shards = [index for index in indexes if index.split == split and index.contents.clips]
        failed = Counter(f.reason for f in failures if split_of[f.clip_id] == split)
        cut = sum(index.contents.clips for index in shards)
        splits[split] = SplitSummary(cut, dict(sorted(failed.items())), len(shards))
        if splits[split].total != expected[split]:
            raise RuntimeError(
                f"{split}: {expected[split]} clips, but {cut} cut + {failed.total()} failed"
            )
    return splits


def print_summary(summary: ShardsSummary) -> None:
    """Counts by split, size and pixel statistics."""
    for split, counts in summary.splits.items():
        outcome = f"{counts.clips} cut + {describe_failed(counts.failed)}"
        print(f"shards: {split}: {counts.total} clips = {outcome}")
    where = f" at {summary.url}" if summary.url else ""
    print(f"shards: {summary.bytes / 1e6:.1f} MB as {summary.codec}{where}")
    print(f"shards: pixel mean {summary.pixel_mean:.3f}, deviation {summary.pixel_std:.3f}")


def main() -> None:
    """Pack the profile's clips into data/<profile>/shards/."""
    params = load_params()
    paths = Paths(params.profile)
    folders = ShardFolders(
        source_root(params),
        paths.manifest,
        paths.landmarks,
        paths.tmp / "shards",
        paths.shards,
        url=resolve_url(params.shards.url),
        timings=paths.timings / "shards.csv",
    )
    summary = make_shards(
        folders,
        params.crops,
        clips_per_shard=params.shards.clips_per_shard,
        codec=params.shards.codec,
        actors=params.workers.actors,
    )
    print_summary(summary)


if __name__ == "__main__":
    run_stage(main)
