"""The manifest: every clip of a corpus, its labels, what was rejected and how many of each."""

import csv
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import cast

import numpy as np
import pandas as pd

from lipnet.clip import SPLITS, Clip, Rejected
from lipnet.errors import InputError
from lipnet.files import (
    digest_files,
    digest_of,
    read_json,
    write_atomic,
    write_folder_atomic,
    write_json,
)
from lipnet.labels import BACKGROUND, parse_labels
from lipnet.records import Record
from lipnet.speakers import SpeakerOverlap

CLIP_COLUMNS = tuple(field.name for field in fields(Clip))
REJECTED_COLUMNS = tuple(field.name for field in fields(Rejected))
COLUMN_TYPES = {field.name: cast(type, field.type) for field in fields(Clip)}
REQUIRED_SPLITS = ("train", "val", "test")
AGAIN = "run the stage manifest again"
ADD_VIDEOS = "add videos of it to source.root"
MENTIONED = 8
SUMMARY, LABELS = "summary.json", "labels.json"
CLIPS, REJECTED = "clips.csv", "rejected.csv"


@dataclass(frozen=True)
class SplitSize:
    """The size of one split, by what can be counted in it."""

    clips: int
    videos: int
    labels: int
    units: int
    speakers: int


@dataclass(frozen=True)
class ManifestSummary:
    """The source and a digest of its options, and counts.

    `counted` is what the source lists: files = videos + rejected files, or "lines" of label files =
    clips + rejected lines (in manifests of earlier versions, files for each source).
    `digests` are those of the manifest's other files, by name. `overlap` of speakers is None and
    `digests` are empty in manifests of earlier versions, whose clips are not read.
    """

    source: str
    options: str
    clips: int
    videos: int
    labels: int
    splits: Mapping[str, SplitSize]
    rejected: Mapping[str, int]
    overlap: SpeakerOverlap | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    counted: str = "files"

    @property
    def total_rejected(self) -> int:
        """The rejected files or lines."""
        return sum(self.rejected.values())

    @property
    def total(self) -> int:
        """The source's files or lines: those with clips, and the rejected ones."""
        return (self.clips if self.counted == "lines" else self.videos) + self.total_rejected

    def describe_total(self) -> str:
        """The sum as text, such as "4 files = 3 videos with clips + 1 rejected"."""
        found = f"{self.videos} videos with clips"
        if self.counted == "lines":
            found = f"{self.clips} clips"
        return f"{self.total} {self.counted} = {found} + {self.total_rejected} rejected"


def write_manifest(
    folder: Path,
    clips: Sequence[Clip],
    rejected: Sequence[Rejected],
    *,
    source: str,
    options: Mapping[str, object],
    counted: str = "files",
) -> ManifestSummary:
    """Write clips.csv, labels.json, rejected.csv, summary.json; equal input gives equal bytes."""
    clips = sorted(clips, key=lambda clip: clip.clip_id)
    rejected = sorted(rejected, key=lambda record: (record.path, record.reason))
    summary = summarise(clips, rejected, source=source, options=options, counted=counted)
    with write_folder_atomic(folder) as temporary:
        write_rows(temporary / CLIPS, CLIP_COLUMNS, clips)
        write_rows(temporary / REJECTED, REJECTED_COLUMNS, rejected)
        write_json(temporary / LABELS, sorted({clip.label for clip in clips}))
        digests = {name: digest_files([temporary / name]) for name in (CLIPS, LABELS, REJECTED)}
        summary = replace(summary, digests=digests)
        values = asdict(summary)
        del values["counted"]  # the names of the sums tell it
        sums = {counted: summary.total, f"rejected_{counted}": summary.total_rejected}
        write_json(temporary / SUMMARY, {**values, **sums})
    return summary


def write_rows(path: Path, columns: tuple[str, ...], records: Iterable[object]) -> None:
    """One CSV line per record, in the order given, after a line of column names."""
    with write_atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow(columns)
        lines.writerows(map(attrgetter(*columns), records))


def summarise(
    clips: Sequence[Clip],
    rejected: Sequence[Rejected],
    *,
    source: str,
    options: Mapping[str, object],
    counted: str,
) -> ManifestSummary:
    """Counts by split and by reason."""
    return ManifestSummary(
        source=source,
        options=digest_of(dict(options)),
        clips=len(clips),
        videos=len({clip.video for clip in clips}),
        labels=len({clip.label for clip in clips}),
        splits={
            split: count_split([clip for clip in clips if clip.split == split])
            for split in count_splits(clips)
        },
        rejected=dict(sorted(Counter(record.reason for record in rejected).items())),
        overlap=SpeakerOverlap.of((clip.split, clip.speaker) for clip in clips),
        counted=counted,
    )


def count_split(clips: Sequence[Clip]) -> SplitSize:
    """The size of a split with these clips."""
    return SplitSize(
        clips=len(clips),
        videos=len({clip.video for clip in clips}),
        labels=len({clip.label for clip in clips}),
        units=len({clip.unit for clip in clips}),
        speakers=len({clip.speaker for clip in clips} - {""}),
    )


def count_splits(clips: Iterable[Clip]) -> dict[str, int]:
    """Clips by split, in the order of SPLITS."""
    counts = Counter(clip.split for clip in clips)
    return {split: counts[split] for split in SPLITS if counts[split]}


def check_complete(clips: Sequence[Clip], advice: str = ADD_VIDEOS) -> None:
    """InputError if train, val or test has no clip, with the source's advice, or a label has none
    to train on."""
    counts = count_splits(clips)
    missing = [split for split in REQUIRED_SPLITS if split not in counts]
    if missing:
        found = ", ".join(f"{split} {count}" for split, count in counts.items())
        raise InputError(
            f"no clip in split {', '.join(missing)} (found: {found or 'none'}); each needs at "
            f"least one: {advice}"
        )
    trained = {clip.label for clip in clips if clip.split == "train"}
    untrained = sorted({clip.label for clip in clips} - trained)
    if untrained:
        more = f" and {len(untrained) - MENTIONED} more" if len(untrained) > MENTIONED else ""
        raise InputError(
            f"no clip to train on for {', '.join(untrained[:MENTIONED])}{more}: add training "
            "clips, or remove all clips of these labels"
        )


def describe_gaps(clips: Sequence[Clip]) -> list[str]:
    """What makes accuracies of these clips misleading, a line each: a single label, clips without
    a word, and labels that a split to measure on lacks."""
    labels = {clip.label for clip in clips}
    lines = []
    if len(labels) == 1:
        lines.append(f"all clips have the label {min(labels)}: every model will be right on all")
    background = sum(clip.label == BACKGROUND for clip in clips)
    if background:
        lines.append(
            f"{background} of {len(clips)} clips are windows without a word (label {BACKGROUND}), "
            "and every accuracy counts them"
        )
    for split in (split for split in count_splits(clips) if split != "train"):
        lacking = sorted(labels - {clip.label for clip in clips if clip.split == split})
        if lacking:
            more = f" and {len(lacking) - MENTIONED} more" if len(lacking) > MENTIONED else ""
            lines.append(
                f"{split} has no clip of {len(lacking)} of {len(labels)} labels, and its accuracy "
                f"does not count them: {', '.join(lacking[:MENTIONED])}{more}"
            )
    return lines


def read_frame(folder: Path) -> pd.DataFrame:
    """clips.csv as a frame with Clip's columns and types, in order of clip_id."""
    path = folder / CLIPS
    check_digests(folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # pandas' when it casts infinity to int
            frame = pd.read_csv(path, dtype=COLUMN_TYPES, keep_default_na=False, na_filter=False)
    except FileNotFoundError as error:
        raise InputError(f"no manifest at {path}; run the stage manifest first") from error
    except (OSError, ValueError, KeyError, OverflowError, RuntimeWarning) as error:
        raise InputError(f"{path} is not a manifest: {error}; {AGAIN}") from error
    if tuple(frame.columns) != CLIP_COLUMNS:
        raise InputError(f"{path} has columns {', '.join(frame.columns)}; {AGAIN}")
    # A digest finds what was changed later; this finds what should never have been written.
    wrong = _find_wrong_column(frame, read_labels(folder), read_summary(folder))
    if wrong:
        raise InputError(f"{path} was changed: its column {wrong} is impossible; {AGAIN}")
    return frame


def check_digests(folder: Path) -> None:
    """InputError if a file of the manifest is missing or not the one that the stage wrote."""
    digests = read_summary(folder).digests
    for name in (CLIPS, LABELS, REJECTED):
        path = folder / name
        try:
            own = digest_files([path])
        except FileNotFoundError:
            raise InputError(f"no manifest at {path}; run the stage manifest first") from None
        except OSError as error:
            raise InputError(f"{path} is not a manifest: {error}; {AGAIN}") from error
        if name not in digests:
            raise InputError(f"{folder / SUMMARY} has no digest of {name}; {AGAIN}")
        if own != digests[name]:
            raise InputError(f"{path} was changed: its digest is not the summary's; {AGAIN}")


def _find_wrong_column(
    frame: pd.DataFrame, labels: Sequence[str], summary: ManifestSummary
) -> str | None:
    """A column with values that the stage does not write, or not for this summary; None if there
    is none."""
    splits = {split: size.clips for split, size in summary.splits.items()}
    videos = frame["video"].unique()
    fine = {
        "clip_id": frame["clip_id"].is_unique and not frame["clip_id"].isin([""]).any(),
        "video": len(videos) == summary.videos and all(map(_is_below, videos)),
        "label": set(frame["label"].unique()) == set(labels),
        "split": dict(Counter(frame["split"])) == splits and set(splits) <= set(SPLITS),
        "fps": bool(frame["fps"].gt(0).all()) and bool(np.isfinite(frame["fps"]).all()),
    }
    return next((column for column, holds in fine.items() if not holds), None)


def _is_below(video: str) -> bool:
    """Whether the path stays below the source's root."""
    path = PurePosixPath(video)
    return bool(video) and not path.is_absolute() and ".." not in path.parts


def read_clips(folder: Path) -> list[Clip]:
    """clips.csv as Clip records, in order of clip_id."""
    frame = read_frame(folder)
    return list(map(Clip, *(frame[column].tolist() for column in CLIP_COLUMNS)))


def read_rejected(folder: Path) -> list[Rejected]:
    """rejected.csv as records, in order of path."""
    with (folder / REJECTED).open(encoding="utf-8", newline="") as lines:
        return [Rejected(**row) for row in csv.DictReader(lines)]


def read_labels(folder: Path) -> list[str]:
    """The sorted labels: a label's index is its position here. InputError for a damaged file."""
    path = folder / LABELS
    found = _read(path)
    try:
        return parse_labels(found)
    except ValueError as error:
        raise _damaged(path, error) from error


def read_summary(folder: Path) -> ManifestSummary:
    """The summary in the folder; InputError if it is missing or damaged."""
    path = folder / SUMMARY
    found = _read(path)
    try:
        return _parse_summary(Record(found))
    except ValueError as error:
        raise _damaged(path, error) from error


def _parse_summary(found: Record) -> ManifestSummary:
    summary = ManifestSummary(
        source=found.text("source"),
        options=found.text("options"),
        clips=found.count("clips"),
        videos=found.count("videos"),
        labels=found.count("labels"),
        splits={name: _parse_split(own) for name, own in found.records("splits").items()},
        rejected=found.counts("rejected"),
        overlap=SpeakerOverlap.parse(found.record("overlap")) if "overlap" in found else None,
        digests=_parse_digests(found),
        counted="lines" if "lines" in found else "files",
    )
    sums = found.count(summary.counted), found.count(f"rejected_{summary.counted}")
    if sums != (summary.total, summary.total_rejected):
        raise ValueError(f"its {summary.counted} are not the sum of its other counts")
    return summary


def _parse_digests(found: Record) -> dict[str, str]:
    own = found.record("digests") if "digests" in found else Record({})
    return {name: own.text(name) for name in (CLIPS, LABELS, REJECTED) if name in own}


def _parse_split(found: Record) -> SplitSize:
    return SplitSize(**{field.name: found.count(field.name) for field in fields(SplitSize)})


def _read(path: Path) -> object:
    try:
        return read_json(path)
    except FileNotFoundError:
        raise InputError(f"no manifest at {path}; run the stage manifest first") from None
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} is not what the stage manifest writes ({error}); run the stage again"
    )
