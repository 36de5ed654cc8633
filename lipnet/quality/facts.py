"""Quality: what is known of a profile's preprocessing. Counts that add up, measures and checks."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lipnet.clip import SPLITS
from lipnet.crops.crop import CropOptions
from lipnet.landmarks.index import locate_tracks, read_indexes
from lipnet.landmarks.summary import LandmarksSummary
from lipnet.landmarks.summary import read_summary as read_landmarks_summary
from lipnet.quality.measures import FaceMeasures, PixelMeasures, measure_faces, measure_pixels
from lipnet.quality.speakers import SpeakerQuality, compare_speakers
from lipnet.recipe import USUAL_MEAN, USUAL_STD, Recipe
from lipnet.shards.index import PixelStats, list_indexes, pixel_stats, read_index
from lipnet.sources.manifest import ManifestSummary, count_splits, read_clips, read_summary

PERCENTILES = (1, 5, 50, 95, 99)
MAX_OUTSIDE = 0.05  # share of a clip's pixels


@dataclass(frozen=True)
class SplitCount:
    """A split's clips in the manifest, and how many were cut and failed: clips = cut + failed."""

    clips: int
    cut: int
    failed: Mapping[str, int]


@dataclass(frozen=True)
class Quality:
    """Everything in the report; `faces` is None if the corpus is precropped, and `speakers` is
    empty unless there are several.

    `clips` has one row per clip that was cut: its video, measures of its pixels and face; what was
    outside of the frame is not known of a precropped one.
    `training` is the recipe's normalisation, and `measured` names what of it is "auto".
    """

    profile: str
    manifest: ManifestSummary
    landmarks: LandmarksSummary
    splits: Mapping[str, SplitCount]
    clips: pd.DataFrame
    faces: FaceMeasures | None
    pixels: PixelMeasures
    brightness: Mapping[str, PixelStats]
    training: PixelStats
    measured: Sequence[str]
    advice: str
    field: int
    smooth: int
    speakers: Sequence[SpeakerQuality]

    @property
    def failed(self) -> int:
        """Clips of all splits that failed."""
        return sum(sum(count.failed.values()) for count in self.splits.values())

    @property
    def normalised(self) -> PixelStats:
        """Statistics of the training crops after the recipe's normalisation: ideally 0 and 1."""
        found, wanted = self.brightness["train"], self.training
        return PixelStats((found.mean - wanted.mean) / wanted.std, found.std / wanted.std)


@dataclass(frozen=True)
class Check:
    """What was measured, its value as text, the usual values, and whether it is one of them."""

    what: str
    value: str
    usual: str
    fine: bool


def percent(share: float, digits: int = 0) -> str:
    """A share as text."""
    return f"{100 * share:.{digits}f} %"


@dataclass(frozen=True)
class Ranking:
    """A ranking of clips from worst to best, by a column of `Quality.clips`."""

    title: str
    remark: str
    column: str
    format_value: Callable[[float], str]
    ascending: bool = False  # small values are the worst
    above_zero: bool = False  # clips with 0 are left out: most have it

    def worst(self, clips: pd.DataFrame, count: int) -> pd.DataFrame:
        """The worst clip of each of the worst videos; ties in the order of their ids."""
        if self.above_zero:
            clips = clips[clips[self.column] > 0]
        order = clips.sort_values([self.column, "clip_id"], ascending=[self.ascending, True])
        return order.drop_duplicates("video").head(count)


RANKINGS = (
    Ranking(
        "Lowest detection scores", "the detector's, mean over the clip", "score", "{:.2f}".format,
        ascending=True,
    ),
    Ranking(
        "Most interpolated", "share of frames without a face", "interpolated", percent,
        above_zero=True,
    ),
    Ranking("Least steady", "jumps of the mouth's centre, pixels", "jitter", "{:.2f}".format),
    Ranking(
        "Most outside of the frame", "share of pixels", "outside", percent,
        above_zero=True,
    ),
    Ranking("Darkest", "mean brightness, 0 to 1", "mean", "{:.2f}".format, ascending=True),
    Ranking("Brightest", "mean brightness, 0 to 1", "mean", "{:.2f}".format),
)  # fmt: skip


def rank_clips(quality: Quality, count: int) -> Iterator[tuple[Ranking, pd.DataFrame]]:
    """Each ranking that the profile has the column for, with its worst clips."""
    for ranking in RANKINGS:
        if ranking.column in quality.clips:
            yield ranking, ranking.worst(quality.clips, count)


@dataclass(frozen=True)
class QualityFolders:
    """The outputs of the earlier stages: the folders of manifest, landmarks and shards."""

    manifest: Path
    landmarks: Path
    shards: Path


def gather(profile: str, folders: QualityFolders, crops: CropOptions, recipe: Recipe) -> Quality:
    """Read the outputs of the earlier stages; RuntimeError if clips are unaccounted for."""
    clips = read_clips(folders.manifest)
    tracks = dict(locate_tracks(read_indexes(folders.landmarks)))
    pixels = measure_pixels(folders.shards)
    landmarks = read_landmarks_summary(folders.landmarks)
    crops = crops.for_landmarks(landmarks.model)
    faces = measure_faces(clips, tracks, folders.landmarks, crops) if tracks else None
    videos = pd.DataFrame(
        {"clip_id": [clip.clip_id for clip in clips], "video": [clip.video for clip in clips]}
    )
    table = pixels.clips.merge(videos, on="clip_id", how="left", validate="one_to_one")
    if faces is None:
        table = table.drop(columns="outside")
    else:
        table = table.merge(faces.clips, on="clip_id", how="left", validate="one_to_one")
    brightness = read_brightness(folders.shards)
    bright = brightness["train"]
    known = recipe.resolve(mean=bright.mean, std=bright.std)
    return Quality(
        profile=profile,
        manifest=read_summary(folders.manifest),
        landmarks=landmarks,
        splits=count_outcomes(folders, count_splits(clips), table),
        clips=table,
        faces=faces,
        pixels=pixels,
        brightness=brightness,
        training=PixelStats(*known.normalisation),
        measured=recipe.measured,
        advice=known.advise_normalisation(bright.mean, bright.std),
        field=recipe.stored_field,
        smooth=crops.smooth,
        speakers=compare_speakers(clips, table),
    )


def count_outcomes(
    folders: QualityFolders, expected: Mapping[str, int], cut: pd.DataFrame
) -> dict[str, SplitCount]:
    """Clips by split and outcome; RuntimeError unless clips = cut + failed in each split."""
    split_of = {clip.clip_id: clip.split for clip in read_clips(folders.manifest)}
    with (folders.shards / "failures.csv").open(encoding="utf-8", newline="") as lines:
        failed = Counter((split_of[row["clip_id"]], row["reason"]) for row in csv.DictReader(lines))
    counts = {}
    for split, clips in expected.items():
        reasons = {
            reason: count for (name, reason), count in sorted(failed.items()) if name == split
        }
        counts[split] = SplitCount(clips, int((cut["split"] == split).sum()), reasons)
        if counts[split].cut + sum(reasons.values()) != clips:
            raise RuntimeError(f"{split}: {clips} clips in, but {counts[split]} out")
    return counts


def read_brightness(shards: Path) -> dict[str, PixelStats]:
    """Mean and deviation of all pixels of each split, from the shards' indexes."""
    stats = {}
    for split in SPLITS:
        indexes = [read_index(path) for path in list_indexes(shards, split)]
        if indexes:
            stats[split] = pixel_stats(index.contents for index in indexes)
    return stats


def check_quality(quality: Quality) -> list[Check]:
    """All checks; the limits are rules of thumb."""
    manifest = quality.manifest
    clips = sum(count.clips for count in quality.splits.values())
    seen = quality.normalised
    return [
        _share(f"{manifest.counted} rejected", manifest.total_rejected, manifest.total),
        _share("clips failed", quality.failed, clips),
        *(_check_faces(quality.faces) if quality.faces is not None else []),
        *(_check_outside(quality.clips["outside"]) if "outside" in quality.clips else []),
        Check(
            "mean of the training crops after the recipe's normalisation",
            f"{seen.mean:+.2f}", "{:g} to {:g}".format(*USUAL_MEAN),
            USUAL_MEAN[0] <= seen.mean <= USUAL_MEAN[1],
        ),
        Check(
            "deviation of the training crops after it",
            f"{seen.std:.2f}", "{:g} to {:g}".format(*USUAL_STD),
            USUAL_STD[0] <= seen.std <= USUAL_STD[1],
        ),
    ]  # fmt: skip


def _check_faces(faces: FaceMeasures) -> list[Check]:
    found = faces.frames
    jitter = float(np.median(found.jitter_T))
    score = float(np.percentile(found.score_T[found.seen_T], 5))
    return [
        _share("frames interpolated", faces.interpolated, len(found.seen_T)),
        Check(
            "5th percentile of the detection scores", f"{score:.2f}", "0.3 or more", score >= 0.3
        ),
        Check("median jump of the mouth's centre", f"{jitter:.2f} px", "up to 1 px", jitter <= 1),
    ]


def _check_outside(outside: "pd.Series[float]") -> list[Check]:
    share = float((outside > MAX_OUTSIDE).mean())
    what = f"clips with over {percent(MAX_OUTSIDE)} of their pixels outside of the frame"
    return [Check(what, percent(share, 2), "up to 1 %", share <= 0.01)]


def _share(what: str, part: int, whole: int) -> Check:
    share = part / max(1, whole)
    return Check(what, f"{part} of {whole} ({percent(share, 2)})", "up to 1 %", share <= 0.01)


def percentiles(values: Sequence[float] | np.ndarray[Any, Any]) -> dict[str, float]:
    """The values' percentiles by name; empty if there are no values."""
    if not len(values):
        return {}
    found = np.percentile(values, PERCENTILES)
    return {f"p{at}": round(float(value), 4) for at, value in zip(PERCENTILES, found, strict=True)}


def list_numbers(quality: Quality) -> dict[str, Any]:
    """The report's numbers as JSON."""
    numbers: dict[str, Any] = {
        "splits": {
            split: {"clips": count.clips, "cut": count.cut, "failed": dict(count.failed)}
            for split, count in quality.splits.items()
        },
        "rejected": dict(quality.manifest.rejected),
        "landmarks": quality.landmarks.model,
        "videos": _count_videos(quality.landmarks),
        "brightness": {
            split: {"mean": stats.mean, "std": stats.std}
            for split, stats in quality.brightness.items()
        },
        "normalised": {
            "mean": round(quality.normalised.mean, 4), "std": round(quality.normalised.std, 4),
        },
        "signs": {check.what: check.fine for check in check_quality(quality)},
    }  # fmt: skip
    if "outside" in quality.clips:
        numbers["outside"] = percentiles(quality.clips["outside"].to_numpy())
    if quality.speakers:
        numbers["speakers"] = [asdict(one) for one in quality.speakers]
    if quality.faces is not None:
        found = quality.faces.frames
        numbers["frames"] = len(found.seen_T)
        numbers["interpolated"] = quality.faces.interpolated
        numbers["score"] = percentiles(found.score_T[found.seen_T])
        numbers["jitter"] = percentiles(found.jitter_T)
        numbers["jitter_smoothed"] = percentiles(found.smoothed_T)
    return numbers


def _count_videos(landmarks: LandmarksSummary) -> dict[str, object]:
    return {
        "in": landmarks.videos,
        "out": landmarks.tracked_videos,
        "failed": dict(landmarks.failed),
        "ready": landmarks.precropped_videos,
    }
