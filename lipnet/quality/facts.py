"""What is known of a profile's preprocessing: counts that add up, measures, and what looks off."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lipnet.clip import SPLITS
from lipnet.crops.crop import CropOptions
from lipnet.files import read_json
from lipnet.landmarks.store import locate_tracks
from lipnet.quality.measures import FaceMeasures, PixelMeasures, measure_faces, measure_pixels
from lipnet.recipe import Recipe
from lipnet.shards.tar import PixelStats, facts_of, pixel_stats
from lipnet.sources.manifest import count_splits, read_clips, read_summary

PERCENTILES = (1, 5, 50, 95, 99)
MUCH_OUTSIDE = 0.05  # of a clip's pixels


@dataclass(frozen=True)
class SplitCount:
    """A split's clips: those of the manifest are those cut and those failed."""

    clips: int
    cut: int
    failed: Mapping[str, int]


@dataclass(frozen=True)
class Quality:
    """All that the report says; `faces` is None where the corpus brings its crops ready.

    `clips` has a line for each clip that was cut: its video, measures of its pixels and face.
    """

    profile: str
    manifest: Mapping[str, Any]
    videos: Mapping[str, Any]
    splits: Mapping[str, SplitCount]
    clips: pd.DataFrame
    faces: FaceMeasures | None
    pixels: PixelMeasures
    brightness: Mapping[str, PixelStats]
    training: PixelStats
    field: int
    smooth: int

    @property
    def failed(self) -> int:
        """Clips of all splits that failed."""
        return sum(sum(count.failed.values()) for count in self.splits.values())

    @property
    def normalised(self) -> PixelStats:
        """The training crops as a model sees them; 0 and 1 on the crops that it was made for."""
        found, wanted = self.brightness["train"], self.training
        return PixelStats((found.mean - wanted.mean) / wanted.std, found.std / wanted.std)


@dataclass(frozen=True)
class Sign:
    """One check: what was measured, its value as text, what is usual, and whether it is that."""

    what: str
    value: str
    usual: str
    fine: bool


def percent(share: float, digits: int = 0) -> str:
    """A share for people."""
    return f"{100 * share:.{digits}f} %"


@dataclass(frozen=True)
class Ranking:
    """A way to be worst: the column of `Quality.clips`, and whether small is bad."""

    title: str
    remark: str
    column: str
    tell: Callable[[float], str]
    smallest: bool = False
    only_some: bool = False  # most clips have none of it at all

    def worst(self, clips: pd.DataFrame, count: int) -> pd.DataFrame:
        """The worst clip of each of the worst videos; ties in order of their ids."""
        if self.only_some:
            clips = clips[clips[self.column] > 0]
        order = clips.sort_values([self.column, "clip_id"], ascending=[self.smallest, True])
        return order.drop_duplicates("video").head(count)


RANKINGS = (
    Ranking(
        "Lowest detection scores", "the detector's, mean over the clip", "score", "{:.2f}".format,
        smallest=True,
    ),
    Ranking(
        "Most interpolated", "share of frames without a face", "interpolated", percent,
        only_some=True,
    ),
    Ranking("Least steady", "jumps of the mouth's centre, pixels", "jitter", "{:.2f}".format),
    Ranking(
        "Most beyond the frame", "share of pixels, the edge repeated", "outside", percent,
        only_some=True,
    ),
    Ranking("Darkest", "mean brightness, 0 to 1", "mean", "{:.2f}".format, smallest=True),
    Ranking("Brightest", "mean brightness, 0 to 1", "mean", "{:.2f}".format),
)  # fmt: skip


def rank_clips(quality: Quality, count: int) -> Iterator[tuple[Ranking, pd.DataFrame]]:
    """Each ranking that the profile has measures for, with its worst clips."""
    for ranking in RANKINGS:
        if ranking.column in quality.clips:
            yield ranking, ranking.worst(quality.clips, count)


@dataclass(frozen=True)
class QualityFolders:
    """What the stages before left: the folders of manifest, landmarks and shards."""

    manifest: Path
    landmarks: Path
    shards: Path


def gather(profile: str, folders: QualityFolders, crops: CropOptions, recipe: Recipe) -> Quality:
    """Read what the stages before left; RuntimeError where clips are unaccounted for."""
    clips = read_clips(folders.manifest)
    landmarks: Any = read_json(folders.landmarks / "summary.json")
    indexes: list[Any] = [read_json(path) for path in sorted(folders.landmarks.glob("[0-9]*.json"))]
    places = dict(locate_tracks(indexes))
    pixels = measure_pixels(folders.shards)
    faces = measure_faces(clips, places, folders.landmarks, crops) if places else None
    videos = pd.DataFrame(
        {"clip_id": [clip.clip_id for clip in clips], "video": [clip.video for clip in clips]}
    )
    table = pixels.clips.merge(videos, on="clip_id", how="left", validate="one_to_one")
    if faces is not None:
        table = table.merge(faces.clips, on="clip_id", how="left", validate="one_to_one")
    return Quality(
        profile=profile,
        manifest=read_summary(folders.manifest),
        videos={**landmarks["videos"], "ready": landmarks.get("ready_videos", 0)},
        splits=count_outcomes(folders, count_splits(clips), table),
        clips=table,
        faces=faces,
        pixels=pixels,
        brightness=read_brightness(folders.shards),
        training=PixelStats(recipe.mean, recipe.std),
        field=recipe.stored_field,
        smooth=crops.smooth,
    )


def count_outcomes(
    folders: QualityFolders, expected: Mapping[str, int], cut: pd.DataFrame
) -> dict[str, SplitCount]:
    """Clips by split and outcome; RuntimeError unless those in are those out and those failed."""
    split_of = {clip.clip_id: clip.split for clip in read_clips(folders.manifest)}
    with (folders.shards / "failures.csv").open(encoding="utf-8", newline="") as lines:
        failed = Counter((split_of[row["clip_id"]], row["reason"]) for row in csv.DictReader(lines))
    counts = {}
    for split, clips in expected.items():
        reasons = {
            reason: count for (where, reason), count in sorted(failed.items()) if where == split
        }
        counts[split] = SplitCount(clips, int((cut["split"] == split).sum()), reasons)
        if counts[split].cut + sum(reasons.values()) != clips:
            raise RuntimeError(f"{split}: {clips} clips in, but {counts[split]} out")
    return counts


def read_brightness(shards: Path) -> dict[str, PixelStats]:
    """Mean and deviation of all pixels of each split, from the shards' indexes."""
    stats = {}
    for split in SPLITS:
        indexes: list[Any] = [
            read_json(path) for path in sorted((shards / split).glob("[0-9]*.json"))
        ]
        if indexes:
            stats[split] = pixel_stats(map(facts_of, indexes))
    return stats


def judge(quality: Quality) -> list[Sign]:
    """What looks as it should and what does not; the limits are rules of thumb."""
    clips = sum(count.clips for count in quality.splits.values())
    outside = float((quality.clips["outside"] > MUCH_OUTSIDE).mean())
    seen = quality.normalised
    return [
        _share("files rejected", quality.manifest["rejected_files"], quality.manifest["files"]),
        _share("clips failed", quality.failed, clips),
        *(_judge_faces(quality.faces) if quality.faces is not None else []),
        Sign(
            f"clips with more than {percent(MUCH_OUTSIDE)} of their pixels beyond the frame",
            percent(outside, 2), "up to 1 %", outside <= 0.01,
        ),
        Sign(
            "mean of the training crops after the recipe's normalisation",
            f"{seen.mean:+.2f}", "-0.5 to 0.5", abs(seen.mean) <= 0.5,
        ),
        Sign(
            "their deviation after it", f"{seen.std:.2f}", "0.5 to 2", 0.5 <= seen.std <= 2
        ),
    ]  # fmt: skip


def _judge_faces(faces: FaceMeasures) -> list[Sign]:
    found = faces.frames
    jitter = float(np.median(found.jitter_T))
    score = float(np.percentile(found.score_T[found.seen_T], 5))
    return [
        _share("frames interpolated", faces.interpolated, len(found.seen_T)),
        Sign("5th percentile of the detection scores", f"{score:.2f}", "0.3 or more", score >= 0.3),
        Sign("median jump of the mouth's centre", f"{jitter:.2f} px", "up to 1 px", jitter <= 1),
    ]


def _share(what: str, part: int, whole: int) -> Sign:
    share = part / max(1, whole)
    return Sign(what, f"{part} of {whole} ({percent(share, 2)})", "up to 1 %", share <= 0.01)


def percentiles(values: Sequence[float] | np.ndarray[Any, Any]) -> dict[str, float]:
    """The values' percentiles by name; none of no values."""
    if not len(values):
        return {}
    found = np.percentile(values, PERCENTILES)
    return {f"p{at}": round(float(value), 4) for at, value in zip(PERCENTILES, found, strict=True)}


def tell_numbers(quality: Quality) -> dict[str, Any]:
    """The report's numbers, for programs."""
    numbers: dict[str, Any] = {
        "splits": {
            split: {"clips": count.clips, "cut": count.cut, "failed": dict(count.failed)}
            for split, count in quality.splits.items()
        },
        "rejected": quality.manifest["rejected"],
        "videos": dict(quality.videos),
        "brightness": {
            split: {"mean": stats.mean, "std": stats.std}
            for split, stats in quality.brightness.items()
        },
        "normalised": {
            "mean": round(quality.normalised.mean, 4), "std": round(quality.normalised.std, 4),
        },
        "outside": percentiles(quality.clips["outside"].to_numpy()),
        "signs": {sign.what: sign.fine for sign in judge(quality)},
    }  # fmt: skip
    if quality.faces is not None:
        found = quality.faces.frames
        numbers["frames"] = len(found.seen_T)
        numbers["interpolated"] = quality.faces.interpolated
        numbers["score"] = percentiles(found.score_T[found.seen_T])
        numbers["jitter"] = percentiles(found.jitter_T)
        numbers["jitter_smoothed"] = percentiles(found.smoothed_T)
    return numbers
