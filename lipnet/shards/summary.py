"""The shards of a profile as a whole: summary.json and labels.json, and their only reader."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lipnet.errors import InputError
from lipnet.files import read_json, write_json
from lipnet.labels import parse_labels
from lipnet.records import Record
from lipnet.speakers import SpeakerOverlap

SUMMARY, LABELS = "summary.json", "labels.json"


@dataclass(frozen=True)
class SplitSummary:
    """A split: the clips that were cut, counts of those that failed by reason, and its shards."""

    clips: int
    failed: Mapping[str, int]
    shards: int

    @property
    def total(self) -> int:
        """The split's clips in the manifest."""
        return self.clips + sum(self.failed.values())


@dataclass(frozen=True)
class ShardsSummary:
    """All shards: a digest of their fingerprints, counts by split, the training pixels' mean and
    deviation (0 to 1), how the crops were cut, and how and where they are stored.

    `overlap` of speakers is None in summaries of earlier versions.
    """

    fingerprint: str
    splits: Mapping[str, SplitSummary]
    pixel_mean: float
    pixel_std: float
    preprocessing: Mapping[str, object]
    codec: str
    url: str
    bytes: int
    overlap: SpeakerOverlap | None = None


def write_summary(folder: Path, summary: ShardsSummary, labels: Sequence[str]) -> None:
    """Write both files; equal contents give equal bytes."""
    write_json(folder / LABELS, list(labels))
    content = asdict(summary)
    if summary.overlap is None:
        del content["overlap"]
    write_json(folder / SUMMARY, content)


def read_summary(folder: Path) -> ShardsSummary:
    """The summary in the folder; InputError if it is missing or damaged."""
    return read_summary_file(folder / SUMMARY)


def read_summary_file(path: Path) -> ShardsSummary:
    """A summary, wherever it was copied to."""
    found = _read(path)
    try:
        return _parse_summary(Record(found))
    except ValueError as error:
        raise _damaged(path, error) from error


def _parse_summary(found: Record) -> ShardsSummary:
    return ShardsSummary(
        fingerprint=found.text("fingerprint"),
        splits={name: _parse_split(own) for name, own in found.records("splits").items()},
        pixel_mean=found.number("pixel_mean"),
        pixel_std=found.number("pixel_std"),
        preprocessing=found.fields("preprocessing"),
        codec=found.text("codec"),
        url=found.text("url"),
        bytes=found.count("bytes"),
        overlap=_parse_overlap(found),
    )


def _parse_overlap(found: Record) -> SpeakerOverlap | None:
    return SpeakerOverlap.parse(found.record("overlap")) if "overlap" in found else None


def _parse_split(found: Record) -> SplitSummary:
    return SplitSummary(found.count("clips"), found.counts("failed"), found.count("shards"))


def read_labels(folder: Path) -> list[str]:
    """The labels in class order; InputError if the file is missing or damaged."""
    return read_labels_file(folder / LABELS)


def read_labels_file(path: Path) -> list[str]:
    """A list of labels, wherever it was copied to."""
    found = _read(path)
    try:
        return parse_labels(found)
    except ValueError as error:
        raise _damaged(path, error) from error


def _read(path: Path) -> object:
    try:
        return read_json(path)
    except FileNotFoundError:
        raise InputError(f"no shards in {path.parent}: run the stage `shards` first") from None
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} is not what the stage `shards` writes ({error}): run the stage again"
    )
