"""Shards: clips as tar files in webdataset's layout, written with equal bytes for equal clips.

Written by tarfile, because webdataset's own writer imports torch into every actor.
"""

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lipnet.errors import InputError
from lipnet.files import write_atomic
from lipnet.shards.codec import DEFAULT_CODEC, MEMBER, Codec, Crops, find_codec, unpack
from lipnet.shards.entries import BLOCK, Entry, list_entries
from lipnet.shards.index import ShardContents, pixel_stats, sum_contents
from lipnet.shards.meta import ClipMeta
from lipnet.shards.storage import ShardRef, fetch_part, open_shard
from lipnet.shards.table import ClipRow, write_table

# T frames  H W pixels
META = "json"
RECORD = 20 * BLOCK


def write_shard(
    path: Path, samples: Iterable[tuple[Crops, ClipMeta]], codec: str = DEFAULT_CODEC
) -> ShardContents:
    """Write clips to a tar, whole or not at all, in the order given; returns what it holds.

    A table of the clips is written next to it, as .csv. A clip's key is its clip_id, which has no
    dot: webdataset ends a key there.
    """
    packer = find_codec(codec)
    parts: list[ShardContents] = []
    rows: list[ClipRow] = []
    with write_atomic(path) as temporary, write_atomic(path.with_suffix(".csv")) as table:
        with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
            for crops_THW, meta in samples:
                offset = _add_clip(tar, crops_THW, meta, packer)
                parts.append(_count_clip(crops_THW, meta.label))
                rows.append(_describe_clip(meta, parts[-1], offset, tar.offset - offset))
        write_table(table, rows)
        with temporary.open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        size = temporary.stat().st_size
    return replace(sum_contents(parts), bytes=size, sha256=digest, codec=codec)


def _add_clip(tar: tarfile.TarFile, crops_THW: Crops, meta: ClipMeta, codec: Codec) -> int:
    """Append a clip's two members; returns the offset of the first."""
    key, offset = meta.clip_id, tar.offset
    if "." in key or not key:
        raise InputError(f"clip id {key!r} must not be empty or contain a dot")
    suffix, content = codec.pack(crops_THW)
    _add_member(tar, f"{key}.{MEMBER}.{suffix}", content)
    _add_member(tar, f"{key}.{META}", meta.dump())
    return offset


def _add_member(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    # TarInfo's defaults hold no clock, owner or umask: mtime 0, uid 0, mode 644.
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _describe_clip(meta: ClipMeta, contents: ShardContents, offset: int, length: int) -> ClipRow:
    pixels = pixel_stats([contents])
    return ClipRow(
        meta.clip_id, offset, length, contents.frames, pixels.mean, pixels.std, meta.outside
    )


def _count_clip(crops_THW: Crops, label: str) -> ShardContents:
    """What one clip adds to its shard."""
    tally, levels = np.bincount(crops_THW.ravel(), minlength=256), np.arange(256)
    return ShardContents(
        clips=1,
        frames=len(crops_THW),
        longest=len(crops_THW),
        pixels=crops_THW.size,
        pixel_sum=int(tally @ levels),
        pixel_square_sum=int(tally @ levels**2),
        labels={label: 1},
    )


@dataclass(frozen=True)
class StoredClip:
    """A clip as a shard stores it: its meta, and its pixels still packed."""

    shard: str
    suffix: str
    content: bytes
    meta: ClipMeta

    def crops(self) -> Crops:
        """The crops [T, H, W]; InputError if they are damaged or end before the clip's word."""
        try:
            crops_THW = unpack(self.suffix, self.content)
            self.meta.check_word(len(crops_THW))
            return crops_THW
        except ValueError as error:
            raise _damaged(self.shard, error) from error


@dataclass(frozen=True)
class ClipPlace:
    """A clip in a shard: its packed pixels, which are not read yet, and its meta."""

    pixels: Entry
    suffix: str
    meta: ClipMeta


class StoredShard:
    """The tar of a shard, open to be read."""

    def __init__(self, file: BinaryIO, location: str) -> None:
        self._file, self._location = file, location

    def places(self, start: int = 0) -> Iterator[ClipPlace]:
        """The clips from the byte `start` on, in order; their pixels are skipped."""
        packed: tuple[str, str, Entry] | None = None
        for entry in list_entries(self._file, start):
            key, _, kind = entry.name.partition(".")
            if kind.startswith(f"{MEMBER}.") and packed is None:
                packed = key, kind.removeprefix(f"{MEMBER}."), entry
            elif kind == META and packed is not None and packed[0] == key:
                meta = ClipMeta.parse(entry.read(self._file))
                if meta.clip_id != key:
                    raise ValueError(f"{entry.name} is of clip {meta.clip_id}")
                yield ClipPlace(packed[2], packed[1], meta)
                packed = None
            else:
                raise ValueError(f"unexpected member {entry.name}")
        if packed is not None:
            raise ValueError(f"clip {packed[0]} has no {META}")

    def place_at(self, start: int) -> ClipPlace:
        """The clip whose `pixels.start` is this byte."""
        for place in self.places(start):
            return place
        raise ValueError(f"no clip at byte {start}")

    def read(self, place: ClipPlace) -> StoredClip:
        """The clip at that place, still packed."""
        content = place.pixels.read(self._file)
        return StoredClip(self._location, place.suffix, content, place.meta)


@contextmanager
def open_stored(shard: Path | ShardRef) -> Iterator[StoredShard]:
    """A shard, open to be read; InputError naming one that is missing, cut or damaged."""
    ref = shard if isinstance(shard, ShardRef) else ShardRef.of_file(shard)
    with _naming(ref), open_shard(ref) as file:
        _check_end(file)
        yield StoredShard(file, ref.location)


def read_shard(shard: Path | ShardRef) -> Iterator[tuple[Crops, ClipMeta]]:
    """Clips as they were written; InputError naming a shard that is missing, cut or damaged."""
    with open_stored(shard) as opened:
        for place in opened.places():
            yield opened.read(place).crops(), place.meta


def read_clip(ref: ShardRef, row: ClipRow) -> tuple[Crops, ClipMeta]:
    """One clip, without reading the rest of its shard."""
    with _naming(ref):
        part = StoredShard(io.BytesIO(fetch_part(ref, row.offset, row.length)), ref.location)
        found = list(part.places())
        if len(found) != 1 or found[0].meta.clip_id != row.clip_id:
            raise ValueError(f"clip {row.clip_id} is not at byte {row.offset}")
        return part.read(found[0]).crops(), found[0].meta


@contextmanager
def _naming(ref: ShardRef) -> Iterator[None]:
    """InputError, naming the shard, for the errors of one that is missing or damaged."""
    try:
        yield
    except FileNotFoundError:
        raise _missing(ref) from None
    except (OSError, tarfile.TarError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise _damaged(ref.location, error) from error


def _missing(ref: ShardRef) -> InputError:
    return InputError(f"no shard at {ref.location}; run the stage shards")


def _damaged(location: str, error: Exception) -> InputError:
    return InputError(f"shard {location} is damaged ({error}); run the stage shards again")


def _check_end(file: BinaryIO) -> None:
    """ValueError for a tar without its end; tarfile takes a cut between members for the end."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 2 * BLOCK))
    if not size or size % RECORD or any(file.read()):
        raise ValueError(f"cut short at {size} bytes")
    file.seek(0)
