"""ShardIndex: what is known of one shard, in a JSON file next to it."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lipnet.errors import InputError
from lipnet.files import read_json, write_json
from lipnet.records import Record
from lipnet.shards.codec import DEFAULT_CODEC

SHA256 = re.compile(r"[0-9a-f]{64}")
WHITE = 255  # the largest value of a pixel


@dataclass(frozen=True)
class ShardContents:
    """What a shard holds: whole numbers, so that sums over shards are exact.

    `longest` is the number of frames of the longest clip.
    """

    clips: int = 0
    frames: int = 0
    longest: int = 0
    pixels: int = 0
    pixel_sum: int = 0
    pixel_square_sum: int = 0
    bytes: int = 0
    sha256: str = ""
    codec: str = DEFAULT_CODEC
    labels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PixelStats:
    """Mean and standard deviation of pixels, on the scale 0 to 1."""

    mean: float
    std: float


@dataclass(frozen=True)
class ClipFailure:
    """A clip that could not be cut, and why."""

    clip_id: str
    reason: str
    detail: str


@dataclass(frozen=True)
class ShardIndex:
    """One shard, named "<split>/<number>": what it holds, what made it and which clips failed.

    `fingerprint` is a digest of everything that decides its bytes. `url` is where the tar is;
    empty if it is next to the index.
    """

    name: str
    contents: ShardContents
    fingerprint: str = ""
    made_by: Mapping[str, object] = field(default_factory=dict)
    failures: tuple[ClipFailure, ...] = ()
    url: str = ""

    @property
    def split(self) -> str:
        return self.name.partition("/")[0]

    @property
    def failed(self) -> dict[str, int]:
        """Counts of the failures by reason."""
        return dict(sorted(Counter(failure.reason for failure in self.failures).items()))


def write_index(path: Path, index: ShardIndex) -> None:
    """Write the index; equal indexes give equal bytes."""
    record = {
        "name": index.name,
        "fingerprint": index.fingerprint,
        "made_by": dict(index.made_by),
        "url": index.url,
        "brightness": asdict(pixel_stats([index.contents])),
        "failures": [asdict(failure) for failure in index.failures],
        "failed": index.failed,
        **asdict(index.contents),
    }
    write_json(path, record)


def read_index(path: Path) -> ShardIndex:
    """Read an index; InputError for a file that is damaged or something else."""
    try:
        found = Record(read_json(path))
        return ShardIndex(
            name=found.text("name"),
            contents=_parse_contents(found),
            fingerprint=found.text("fingerprint"),
            made_by=found.fields("made_by"),
            failures=tuple(map(_parse_failure, found.list("failures"))),
            url=found.text("url"),
        )
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is not the index of a shard ({error}); run the stage shards again"
        ) from error


def find_index(path: Path, fingerprint: str) -> ShardIndex | None:
    """The index at `path` if it is intact and has this fingerprint, else None."""
    try:
        found = read_index(path)
    except InputError:
        return None
    return found if found.fingerprint == fingerprint else None


def list_indexes(folder: Path, split: str) -> list[Path]:
    """The files of the split's indexes, in order."""
    return sorted((folder / split).glob("[0-9]*.json"))


def _parse_contents(found: Record) -> ShardContents:
    contents = ShardContents(
        clips=found.count("clips"),
        frames=found.count("frames"),
        longest=found.count("longest"),
        pixels=found.count("pixels"),
        pixel_sum=found.count("pixel_sum"),
        pixel_square_sum=found.count("pixel_square_sum"),
        bytes=found.count("bytes"),
        sha256=found.text("sha256"),
        codec=found.text("codec"),
        labels=found.counts("labels"),
    )
    _check_contents(contents)
    return contents


def _check_contents(own: ShardContents) -> None:
    """ValueError if no clips have these counts."""
    possible = {
        "labels": sum(own.labels.values()) == own.clips,
        "longest": own.longest <= own.frames <= own.clips * own.longest,
        "frames": own.clips <= own.frames <= own.pixels,
        "pixel_sum": own.pixel_sum <= WHITE * own.pixels,
        "pixel_square_sum": own.pixel_sum <= own.pixel_square_sum <= WHITE * own.pixel_sum,
        "sha256": not own.clips or SHA256.fullmatch(own.sha256) is not None,
    }
    wrong = [name for name, holds in possible.items() if not holds]
    if wrong:
        raise ValueError(f"its {wrong[0]} cannot be that of {own.clips} clips")


def _parse_failure(value: object) -> ClipFailure:
    found = Record(value)
    return ClipFailure(found.text("clip_id"), found.text("reason"), found.text("detail"))


def sum_contents(parts: Iterable[ShardContents]) -> ShardContents:
    """The counts of all parts together; `bytes`, `sha256` and `codec` keep their defaults."""
    listed = list(parts)
    names = ("clips", "frames", "pixels", "pixel_sum", "pixel_square_sum")
    sums = {name: sum(getattr(part, name) for part in listed) for name in names}
    labels: Counter[str] = Counter()
    for part in listed:
        labels.update(part.labels)
    longest = max((part.longest for part in listed), default=0)
    return ShardContents(**sums, longest=longest, labels=dict(sorted(labels.items())))


def pixel_stats(parts: Iterable[ShardContents]) -> PixelStats:
    """Mean and deviation over all pixels of all parts."""
    total = sum_contents(parts)
    pixels = max(1, total.pixels)
    mean = total.pixel_sum / pixels / 255
    square = total.pixel_square_sum / pixels / 255**2
    return PixelStats(round(mean, 6), round(max(0.0, square - mean**2) ** 0.5, 6))
