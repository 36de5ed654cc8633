"""ShardRef: where a finished shard is, next to its index or at an fsspec URL; reads it there."""

import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from lipnet.errors import InputError
from lipnet.shards.index import list_indexes, read_index

BUFFER = 8192  # bytes; a network file system's own size may be that of several clips
OTHER_DIGEST = "its SHA-256 is not the one in its index"
# Location, digest and state of each local shard whose digest this process has compared.
_verified: set[tuple[object, ...]] = set()


@dataclass(frozen=True)
class ShardRef:
    """One shard: its path or URL, and the counts of its index (`bytes` is -1 without an index)."""

    location: str
    clips: int = 0
    frames: int = 0
    longest: int = 0
    bytes: int = -1
    sha256: str = ""

    @classmethod
    def of_index(cls, path: Path) -> "ShardRef":
        """The shard of an index; InputError for a file that is not an index."""
        index = read_index(path)
        found = index.contents
        location = index.url or str(path.with_suffix(".tar"))
        return cls(location, found.clips, found.frames, found.longest, found.bytes, found.sha256)

    @classmethod
    def of_file(cls, tar: Path) -> "ShardRef":
        """The shard in a file, with the counts of its index if there is one next to it."""
        index = tar.with_suffix(".json")
        return cls.of_index(index) if index.is_file() else cls(str(tar))


def list_shards(folder: Path, split: str) -> list[ShardRef]:
    """The split's shards that hold clips, in order, wherever they are stored; InputError if two
    indexes have one shard."""
    refs = [ref for ref in map(ShardRef.of_index, list_indexes(folder, split)) if ref.clips]
    twice = [location for location, n in Counter(ref.location for ref in refs).items() if n > 1]
    if twice:
        raise InputError(
            f"{twice[0]} is the shard of several indexes in {folder / split}; run the stage shards "
            "again"
        )
    return refs


def open_filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL or path, and the path in it; InputError if there is none."""
    # Imported here: only remote shards need it, and it slows the start of every stage.
    import fsspec

    try:
        # Another process may have written since, so listings are not cached.
        filesystem, path = fsspec.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise InputError(
            f"{url} needs a package: {error} (for s3://: pip install '.[s3]')"
        ) from error
    except ValueError as error:
        raise InputError(f"{url} cannot hold shards: {error}") from error
    return filesystem, str(path)


@contextmanager
def open_shard(ref: ShardRef) -> Iterator[BinaryIO]:
    """The shard as a file to read, checked against the size and the SHA-256 of its index.

    One at a URL is fetched whole. A local one is hashed when this process first opens it, and
    again if it was changed or replaced since. ValueError if they differ, FileNotFoundError if
    there is no such shard.
    """
    if "://" in ref.location:
        yield io.BytesIO(_fetch(ref))
        return
    with io.BufferedReader(Path(ref.location).open("rb", 0), BUFFER) as file:
        _check_size(ref, file.seek(0, io.SEEK_END))
        file.seek(0)
        _verify(ref, file)
        yield file


def _verify(ref: ShardRef, file: "io.BufferedReader[io.FileIO]") -> None:
    """ValueError if the file's SHA-256 is not the index's; its position does not change."""
    found = os.fstat(file.fileno())
    state = (ref.location, ref.sha256, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    if not ref.sha256 or state in _verified:
        return
    if hashlib.file_digest(file, "sha256").hexdigest() != ref.sha256:
        raise ValueError(OTHER_DIGEST)
    file.seek(0)
    _verified.add(state)


def _fetch(ref: ShardRef) -> bytes:
    content = _cat(ref.location)
    _check_size(ref, len(content))
    if ref.sha256 and hashlib.sha256(content).hexdigest() != ref.sha256:
        raise ValueError(OTHER_DIGEST)
    return content


def fetch_part(ref: ShardRef, offset: int, length: int) -> bytes:
    """`length` bytes of the shard from `offset`, without the rest; fewer at its end."""
    if "://" in ref.location:
        return _cat(ref.location, start=offset, end=offset + length)
    with Path(ref.location).open("rb") as file:
        file.seek(offset)
        return file.read(length)


def _cat(url: str, start: int | None = None, end: int | None = None) -> bytes:
    filesystem, path = open_filesystem(url)
    try:
        return bytes(filesystem.cat_file(path, start=start, end=end))
    except FileNotFoundError:
        raise
    except Exception as error:  # each file system has its own errors
        raise InputError(
            f"{url} cannot be fetched ({type(error).__name__}: {error}); is the network up, and "
            "are the credentials set? The same command continues where it stopped"
        ) from error


def _check_size(ref: ShardRef, size: int) -> None:
    if ref.bytes not in (-1, size):
        raise ValueError(f"it has {size} bytes, and {ref.bytes} in its index")
