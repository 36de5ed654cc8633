"""Shards: clips as tar files in webdataset's layout, written with equal bytes for equal clips.

Written by tarfile, because webdataset's own writer imports torch into every actor.
"""

import csv
import hashlib
import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, astuple, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lipnet.errors import InputError
from lipnet.files import write_atomic
from lipnet.shards.codec import DEFAULT_CODEC, MEMBER, Codec, Crops, find_codec, unpack
from lipnet.shards.storage import ShardRef, fetch_part, open_shard

# T frames  H W pixels
Meta = dict[str, object]
META = "json"
BLOCK = 512  # bytes; a tar ends with two empty blocks, and fills its last record
RECORD = 20 * BLOCK


@dataclass(frozen=True)
class ShardFacts:
    """What a shard holds: whole numbers, so that sums over shards are exact.

    `longest` is the frames of its longest clip.
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
    labels: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PixelStats:
    """Mean and standard deviation of pixels, on the scale 0 to 1."""

    mean: float
    std: float


@dataclass(frozen=True)
class ClipRow:
    """A clip's line in the table beside its shard: its place in the tar, how long it is, its
    pixels, and the share of them that lay outside the video's frame."""

    clip_id: str
    offset: int
    length: int
    frames: int
    mean: float
    std: float
    outside: float


def write_shard(
    path: Path, samples: Iterable[tuple[Crops, Meta]], codec: str = DEFAULT_CODEC
) -> ShardFacts:
    """Write clips to a tar, whole or not at all, in the order given; says what it holds.

    A table of the clips lies beside it, as .csv. A clip's key is its meta's clip_id, which has no
    dot: webdataset ends a key there.
    """
    packer = find_codec(codec)
    parts: list[ShardFacts] = []
    rows: list[ClipRow] = []
    with write_atomic(path) as beside, write_atomic(path.with_suffix(".csv")) as table:
        with tarfile.open(beside, "w", format=tarfile.PAX_FORMAT) as tar:
            for crops, meta in samples:
                offset = _add_clip(tar, crops, meta, packer)
                parts.append(_count_clip(crops, str(meta["label"])))
                rows.append(_describe_clip(meta, parts[-1], offset, tar.offset - offset))
        _write_table(table, rows)
        with beside.open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        size = beside.stat().st_size
    return replace(_sum_facts(parts), bytes=size, sha256=digest, codec=codec)


def facts_as_json(facts: ShardFacts) -> dict[str, object]:
    """The facts as they stand in the index beside the shard."""
    return asdict(facts)


def facts_of(record: dict[str, Any]) -> ShardFacts:
    """The facts out of an index."""
    return ShardFacts(**{name.name: record[name.name] for name in fields(ShardFacts)})


def _add_clip(tar: tarfile.TarFile, crops_THW: Crops, meta: Meta, codec: Codec) -> int:
    """Append a clip's two members; where the first begins."""
    key, offset = _key_of(meta), tar.offset
    suffix, content = codec.pack(crops_THW)
    _add(tar, f"{key}.{MEMBER}.{suffix}", content)
    _add(tar, f"{key}.{META}", json.dumps(meta, sort_keys=True).encode())
    return offset


def _describe_clip(meta: Meta, facts: ShardFacts, offset: int, length: int) -> ClipRow:
    pixels = pixel_stats([facts])
    outside = float(str(meta.get("outside", 0.0)))
    key = str(meta["clip_id"])
    return ClipRow(key, offset, length, facts.frames, pixels.mean, pixels.std, outside)


def _key_of(meta: Meta) -> str:
    key = str(meta["clip_id"])
    if "." in key or not key:
        raise InputError(f"clip id {key!r} cannot name a clip in a shard: it needs a name, no dots")
    return key


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    # TarInfo's defaults hold no clock, owner or umask: mtime 0, uid 0, mode 644.
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _count_clip(crops_THW: Crops, label: str) -> ShardFacts:
    """What one clip adds to its shard."""
    tally, levels = np.bincount(crops_THW.ravel(), minlength=256), np.arange(256)
    return ShardFacts(
        clips=1,
        frames=len(crops_THW),
        longest=len(crops_THW),
        pixels=crops_THW.size,
        pixel_sum=int(tally @ levels),
        pixel_square_sum=int(tally @ levels**2),
        labels={label: 1},
    )


def _sum_facts(parts: Iterable[ShardFacts]) -> ShardFacts:
    listed = list(parts)
    names = ("clips", "frames", "pixels", "pixel_sum", "pixel_square_sum")
    sums = {name: sum(getattr(part, name) for part in listed) for name in names}
    labels: Counter[str] = Counter()
    for part in listed:
        labels.update(part.labels)
    longest = max((part.longest for part in listed), default=0)
    return ShardFacts(**sums, longest=longest, labels=dict(sorted(labels.items())))


def pixel_stats(shards: Iterable[ShardFacts]) -> PixelStats:
    """Mean and deviation over all pixels of all the shards."""
    total = _sum_facts(shards)
    pixels = max(1, total.pixels)
    mean = total.pixel_sum / pixels / 255
    square = total.pixel_square_sum / pixels / 255**2
    return PixelStats(round(mean, 6), round(max(0.0, square - mean**2) ** 0.5, 6))


def _write_table(path: Path, rows: Iterable[ClipRow]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow(name.name for name in fields(ClipRow))
        lines.writerows(map(astuple, rows))


def read_table(path: Path) -> list[ClipRow]:
    """The clips of a shard, in its order, out of the table beside its index."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return [_row_of(row) for row in csv.DictReader(lines)]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is no table of a shard ({error!r}); run the stage shards again"
        ) from error


def _row_of(row: dict[str, str]) -> ClipRow:
    places = [int(row[name]) for name in ("offset", "length", "frames")]
    shares = [float(row[name]) for name in ("mean", "std", "outside")]
    return ClipRow(row["clip_id"], *places, *shares)


@dataclass(frozen=True)
class StoredClip:
    """A clip as it lies in a shard: its facts are read, its pixels still packed."""

    shard: str
    suffix: str
    content: bytes
    meta: Meta

    def crops(self) -> Crops:
        """The crops [T, H, W]; InputError where they are damaged."""
        try:
            return unpack(self.suffix, self.content)
        except ValueError as error:
            raise _damaged(self.shard, error) from error


def read_shard(shard: Path | ShardRef) -> Iterator[tuple[Crops, Meta]]:
    """Clips as they were written; InputError naming a shard that is missing, cut or damaged."""
    for stored in read_stored(shard):
        yield stored.crops(), stored.meta


def read_stored(shard: Path | ShardRef) -> Iterator[StoredClip]:
    """The shard's clips in order, as `read_shard` has them, but still packed."""
    ref = shard if isinstance(shard, ShardRef) else ShardRef.of_file(shard)
    try:
        with open_shard(ref) as file:
            _check_end(file)
            yield from _read_members(file, ref.place)
    except FileNotFoundError:
        raise _missing(ref) from None
    except (tarfile.TarError, ValueError, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise _damaged(ref.place, error) from error


def read_clip(ref: ShardRef, row: ClipRow) -> tuple[Crops, Meta]:
    """One clip, without reading the rest of its shard."""
    try:
        part = fetch_part(ref, row.offset, row.length)
        found = list(_read_members(io.BytesIO(part), ref.place))
    except FileNotFoundError:
        raise _missing(ref) from None
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise _damaged(ref.place, error) from error
    if len(found) != 1 or found[0].meta["clip_id"] != row.clip_id:
        raise _damaged(ref.place, ValueError(f"clip {row.clip_id} is not at byte {row.offset}"))
    return found[0].crops(), found[0].meta


def _read_members(file: BinaryIO, place: str) -> Iterator[StoredClip]:
    with tarfile.open(fileobj=file, mode="r:") as tar:
        held: tuple[str, str, bytes] | None = None
        for member in tar:
            key, _, kind = member.name.partition(".")
            content = _content(tar, member)
            if kind.startswith(f"{MEMBER}.") and held is None:
                held = key, kind.removeprefix(f"{MEMBER}."), content
            elif kind == META and held is not None and held[0] == key:
                yield StoredClip(place, held[1], held[2], json.loads(content))
                held = None
            else:
                raise ValueError(f"unexpected member {member.name}")
        if held is not None:
            raise ValueError(f"clip {held[0]} lacks its {META}")


def _missing(ref: ShardRef) -> InputError:
    return InputError(f"no shard at {ref.place}; run the stage shards")


def _damaged(place: str, error: Exception) -> InputError:
    return InputError(f"shard {place} is damaged ({error}); run the stage shards again")


def _check_end(file: BinaryIO) -> None:
    """ValueError for a tar without its end; tarfile takes a cut between members for the end."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 2 * BLOCK))
    if not size or size % RECORD or any(file.read()):
        raise ValueError(f"cut short at {size} bytes")
    file.seek(0)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    content = file.read() if file is not None else b""
    if len(content) != member.size:
        raise ValueError(f"{member.name} is cut short")
    return content
