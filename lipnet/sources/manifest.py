"""The manifest: every clip of a corpus, its labels, what was rejected and how many of each."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any, cast

import pandas as pd

from lipnet.clip import SPLITS, Clip, Rejected
from lipnet.errors import InputError
from lipnet.files import digest_of, read_json, write_atomic, write_folder_atomic, write_json

CLIP_COLUMNS = tuple(field.name for field in fields(Clip))
REJECTED_COLUMNS = tuple(field.name for field in fields(Rejected))
COLUMN_TYPES = {field.name: cast(type, field.type) for field in fields(Clip)}
REQUIRED_SPLITS = ("train", "val", "test")
MENTIONED = 8


def write_manifest(
    folder: Path,
    clips: Sequence[Clip],
    rejected: Sequence[Rejected],
    *,
    source: str,
    options: Mapping[str, object],
) -> dict[str, Any]:
    """Write clips.csv, labels.json, rejected.csv, summary.json; equal input gives equal bytes."""
    clips = sorted(clips, key=lambda clip: clip.clip_id)
    rejected = sorted(rejected, key=lambda record: (record.path, record.reason))
    summary = summarise(clips, rejected, source=source, options=options)
    with write_folder_atomic(folder) as beside:
        write_rows(beside / "clips.csv", CLIP_COLUMNS, clips)
        write_rows(beside / "rejected.csv", REJECTED_COLUMNS, rejected)
        write_json(beside / "labels.json", sorted({clip.label for clip in clips}))
        write_json(beside / "summary.json", summary)
    return summary


def write_rows(path: Path, columns: tuple[str, ...], records: Iterable[object]) -> None:
    """One CSV line a record, in the order given, after a line of column names."""
    with write_atomic(path) as beside, beside.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow(columns)
        lines.writerows(map(attrgetter(*columns), records))


def summarise(
    clips: Sequence[Clip],
    rejected: Sequence[Rejected],
    *,
    source: str,
    options: Mapping[str, object],
) -> dict[str, Any]:
    """Counts by split and by reason; files = videos with clips + rejected files."""
    videos = {clip.video for clip in clips}
    return {
        "source": source,
        "options": digest_of(dict(options)),
        "clips": len(clips),
        "videos": len(videos),
        "files": len(videos) + len(rejected),
        "labels": len({clip.label for clip in clips}),
        "splits": {
            split: count_split([clip for clip in clips if clip.split == split])
            for split in count_splits(clips)
        },
        "rejected_files": len(rejected),
        "rejected": dict(sorted(Counter(record.reason for record in rejected).items())),
    }


def count_split(clips: list[Clip]) -> dict[str, int]:
    """The size of one split, by what may be counted in it."""
    counted = {"videos": "video", "labels": "label", "units": "unit", "speakers": "speaker"}
    sizes = {name: len({getattr(c, field) for c in clips}) for name, field in counted.items()}
    return {"clips": len(clips), **sizes}


def count_splits(clips: Iterable[Clip]) -> dict[str, int]:
    """Clips by split, in the order of SPLITS."""
    counts = Counter(clip.split for clip in clips)
    return {split: counts[split] for split in SPLITS if counts[split]}


def check_complete(clips: Sequence[Clip]) -> None:
    """InputError where train, val or test has no clip, or a label has none to train on."""
    counts = count_splits(clips)
    missing = [split for split in REQUIRED_SPLITS if split not in counts]
    if missing:
        found = ", ".join(f"{split} {count}" for split, count in counts.items())
        raise InputError(
            f"no clip in split {', '.join(missing)} (found: {found or 'none'}); each needs some: "
            "add videos to source.root or change the fractions in source.options"
        )
    trained = {clip.label for clip in clips if clip.split == "train"}
    untrained = sorted({clip.label for clip in clips} - trained)
    if untrained:
        more = f" and {len(untrained) - MENTIONED} more" if len(untrained) > MENTIONED else ""
        raise InputError(
            f"no clip to train on for {len(untrained)} label(s): "
            f"{', '.join(untrained[:MENTIONED])}{more}; add training clips or leave them out"
        )


def read_frame(folder: Path) -> pd.DataFrame:
    """clips.csv as a frame with Clip's columns and types, in order of clip_id."""
    path = folder / "clips.csv"
    try:
        frame = pd.read_csv(path, dtype=COLUMN_TYPES, keep_default_na=False, na_filter=False)
    except FileNotFoundError as error:
        raise InputError(f"no manifest at {path}; make it first") from error
    except (ValueError, KeyError) as error:
        raise InputError(f"{path} is no manifest: {error}; make it again") from error
    if tuple(frame.columns) != CLIP_COLUMNS:
        raise InputError(f"{path} has columns {', '.join(frame.columns)}; make it again")
    return frame


def read_clips(folder: Path) -> list[Clip]:
    """clips.csv as Clip records, in order of clip_id."""
    frame = read_frame(folder)
    return list(map(Clip, *(frame[column].tolist() for column in CLIP_COLUMNS)))


def read_rejected(folder: Path) -> list[Rejected]:
    """rejected.csv as records, in order of path."""
    with (folder / "rejected.csv").open(encoding="utf-8", newline="") as lines:
        return [Rejected(**row) for row in csv.DictReader(lines)]


def read_labels(folder: Path) -> list[str]:
    """The sorted label list: a label's index is its place here."""
    return cast(list[str], read_json(folder / "labels.json"))


def read_summary(folder: Path) -> dict[str, Any]:
    """summary.json as `summarise` made it."""
    return cast(dict[str, Any], read_json(folder / "summary.json"))
