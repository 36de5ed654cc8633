"""Stage `shards`: mouth crops of every clip of the manifest, packed in shards."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cluster.pool import map_shards
from lipnet.clip import FPS, SPLITS, Clip
from lipnet.code import code_digest
from lipnet.crops.crop import CropOptions
from lipnet.errors import InputError
from lipnet.files import digest_of, read_json, write_json
from lipnet.landmarks.store import TrackPlace, locate_tracks
from lipnet.shards.codec import DEFAULT_CODEC
from lipnet.shards.cut import CutPlaces, Cutter, CutUnit, describe_crops, plan_shards
from lipnet.shards.precropped import describe_ready
from lipnet.shards.tar import facts_of, pixel_stats
from lipnet.shards.upload import check_url, resolve_url
from lipnet.sources.manifest import check_complete, read_clips, read_labels
from pipeline.command import run_stage
from pipeline.meter import Meter
from pipeline.params import load_params
from pipeline.paths import Paths, source_root
from pipeline.timing import Timed, write_timings
from pipeline.units import move_into_place, write_failures

CODE = "shards.cut"
FAILURE_COLUMNS = ("clip_id", "reason", "detail")
Failure = dict[str, str]
Record = dict[str, Any]


@dataclass(frozen=True)
class ShardFolders:
    """The source's root, the manifest, the tracks, where finished shards wait, where all go; the
    URL that the tars go to instead, and where timings go, if anywhere."""

    root: Path
    manifest: Path
    landmarks: Path
    state: Path
    place: Path
    url: str = ""
    timings: Path | None = None


def make_shards(
    folders: ShardFolders,
    crops: CropOptions,
    *,
    clips_per_shard: int = 256,
    codec: str = DEFAULT_CODEC,
    actors: int = 0,
) -> dict[str, Any]:
    """Cut every clip once, into `folders.place` when all is done; returns the summary.

    With a URL the tars go there, and `folders.place` holds what is known of them.
    """
    check_url(folders.url)
    clips = read_clips(folders.manifest)
    labels = read_labels(folders.manifest)
    places, lost = read_landmarks(folders.landmarks)
    cuttable = [clip for clip in clips if clip.ready or clip.video in places]
    failures = [
        fail_with_video(clip, lost) for clip in clips if not clip.ready and clip.video not in places
    ]
    check_survivors(clips, failures)
    units = plan_shards(cuttable, places, clips_per_shard)
    made_by = {"crops": describe_cropping(clips, crops), "code": code_digest(CODE)}
    make_worker = partial(
        Cutter, locate(folders), options=crops, labels=labels, made_by=made_by, codec=codec
    )
    records = cut_units(units, make_worker, actors=actors, timings=folders.timings)
    failures += [failure for record in records for failure in record["failures"]]
    check_survivors(clips, failures)
    stored = {"codec": codec, "url": folders.url, "bytes": sum(r["bytes"] for r in records)}
    preprocessing = {**describe_cropping(clips, crops), "fps": FPS}
    summary = {**summarise(clips, failures, records), "preprocessing": preprocessing, **stored}
    write_json(folders.state / "labels.json", labels)
    write_failures(folders.state / "failures.csv", FAILURE_COLUMNS, failures)
    write_json(folders.state / "summary.json", summary)
    kept = [*name_files(records), "labels.json", "failures.csv", "summary.json"]
    move_into_place(folders.state, folders.place, kept)
    return summary


def name_files(records: Sequence[Record]) -> list[str]:
    """Each unit's index; its table unless every clip failed; its shard where that is kept here."""
    names = []
    for record in records:
        table = ["csv"] if record["clips"] else []
        shard = ["tar"] if record["clips"] and not record["url"] else []
        names += [f"{record['name']}.{kind}" for kind in ("json", *table, *shard)]
    return names


def read_landmarks(folder: Path) -> tuple[dict[str, TrackPlace], dict[str, Failure]]:
    """Where each tracked video's landmarks lie, and each failed video's record."""
    if not (folder / "summary.json").is_file():
        raise InputError(f"no landmarks in {folder}; run the stage landmarks first")
    indexes: list[Any] = [read_json(path) for path in sorted(folder.glob("[0-9]*.json"))]
    lost = {failure["video"]: failure for index in indexes for failure in index["failures"]}
    return dict(locate_tracks(indexes)), lost


def describe_cropping(clips: Sequence[Clip], crops: CropOptions) -> dict[str, object]:
    """What decides the crops; no more than their size where the corpus brings them ready."""
    ready = any(clip.ready for clip in clips)
    return describe_ready(crops.size) if ready else describe_crops(crops)


def fail_with_video(clip: Clip, lost: Mapping[str, Failure]) -> Failure:
    """The record of a clip whose video has no landmarks; InputError where nobody looked for any."""
    if clip.video not in lost:
        raise InputError(f"{clip.video} has no landmarks; run the stage landmarks again")
    failure = lost[clip.video]
    return {"clip_id": clip.clip_id, "reason": failure["reason"], "detail": failure["detail"]}


def check_survivors(clips: Sequence[Clip], failures: Sequence[Failure]) -> None:
    """InputError where the clips that did not fail lack a split, or a label to train on."""
    gone = {failure["clip_id"] for failure in failures}
    try:
        check_complete([clip for clip in clips if clip.clip_id not in gone])
    except InputError as error:
        reasons = dict(Counter(failure["reason"] for failure in failures))
        after = f" (after {len(failures)} clips failed: {reasons})" if failures else ""
        raise InputError(f"{error}{after}") from error


def locate(folders: ShardFolders) -> CutPlaces:
    """The folders as actors see them, who work in others."""
    root, landmarks, state = (
        path.resolve() for path in (folders.root, folders.landmarks, folders.state)
    )
    return CutPlaces(root, landmarks, state, folders.url)


def cut_units(
    units: Sequence[CutUnit],
    make_worker: Callable[[], Cutter],
    *,
    actors: int,
    timings: Path | None,
) -> list[Record]:
    """The index of each unit's shard, in the units' order."""

    def tell(result: tuple[Record, float]) -> None:
        meter.advance(result[0]["clips"] + len(result[0]["failures"]))

    clips = sum(len(video.clips) for unit in units for video in unit.videos)
    with Meter(clips, "shards: clips") as meter:
        timed = map_shards(
            partial(Timed, make_worker), units, name="shards", actors=actors, on_result=tell
        )
    if timings is not None:
        write_timings(timings, timed)
    return [record for record, _ in timed]


def summarise(
    clips: Sequence[Clip], failures: Sequence[Failure], records: Sequence[Record]
) -> dict[str, Any]:
    """Counts by split and the training pixels' statistics; RuntimeError for an unaccounted clip."""
    split_of = {clip.clip_id: clip.split for clip in clips}
    present = [split for split in SPLITS if split in set(split_of.values())]
    splits: dict[str, Any] = {}
    for split in present:
        mine = [record for record in records if record["name"].startswith(f"{split}/")]
        failed = Counter(f["reason"] for f in failures if split_of[f["clip_id"]] == split)
        cut = sum(record["clips"] for record in mine)
        expected = sum(clip.split == split for clip in clips)
        if cut + failed.total() != expected:
            raise RuntimeError(
                f"{split}: {expected} clips, but {cut} cut + {failed.total()} failed"
            )
        shards = sum(record["clips"] > 0 for record in mine)
        splits[split] = {"clips": cut, "failed": dict(sorted(failed.items())), "shards": shards}
    pixels = pixel_stats(facts_of(r) for r in records if r["name"].startswith("train/"))
    return {
        "fingerprint": digest_of([record["fingerprint"] for record in records]),
        "splits": splits,
        "pixel_mean": pixels.mean,
        "pixel_std": pixels.std,
    }


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
    for split, counts in summary["splits"].items():
        failed = sum(counts["failed"].values())
        total = counts["clips"] + failed
        reasons = counts["failed"] or ""
        print(f"shards: {split}: {total} clips = {counts['clips']} cut + {failed} failed {reasons}")
    where = f" at {summary['url']}" if summary["url"] else ""
    print(f"shards: {summary['bytes'] / 1e6:.1f} MB as {summary['codec']}{where}")
    print(f"shards: pixel mean {summary['pixel_mean']:.3f}, deviation {summary['pixel_std']:.3f}")


if __name__ == "__main__":
    run_stage(main)
