"""Where finished shards lie, as the index of each says: beside it, or at an fsspec URL."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import fsspec

from lipnet.errors import InputError
from lipnet.files import read_json


@dataclass(frozen=True)
class ShardRef:
    """One shard: a path or URL, and what its index says of it (bytes -1: there is no index)."""

    place: str
    clips: int = 0
    frames: int = 0
    longest: int = 0
    bytes: int = -1
    sha256: str = ""

    @classmethod
    def of_index(cls, index: Path) -> "ShardRef":
        """The shard of an index; InputError for a file that is none."""
        try:
            found: Any = read_json(index)
            place = found["url"] or str(index.with_suffix(".tar"))
            names = ("clips", "frames", "longest", "bytes", "sha256")
            return cls(place, *(found[name] for name in names))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{index} is no shard's index ({error!r}); run the stage shards again"
            ) from error

    @classmethod
    def of_file(cls, tar: Path) -> "ShardRef":
        """The shard in a file, with its index if one lies beside it."""
        index = tar.with_suffix(".json")
        return cls.of_index(index) if index.is_file() else cls(str(tar))


def list_shards(folder: Path, split: str) -> list[ShardRef]:
    """The split's shards that hold clips, in order, wherever they lie."""
    indexes = sorted((folder / split).glob("[0-9]*.json"))
    return [ref for ref in map(ShardRef.of_index, indexes) if ref.clips]


def open_filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL or path, and the path in it; InputError where none fits."""
    try:
        # Another process may have written since: no listing is remembered.
        filesystem, path = fsspec.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise InputError(f"{url} needs a package: {error}; for s3, lipnet[s3] has it") from error
    except ValueError as error:
        raise InputError(f"{url} is no place for shards: {error}") from error
    return filesystem, str(path)


@contextmanager
def open_shard(ref: ShardRef) -> Iterator[BinaryIO]:
    """The shard as a file to read, checked against its index as far as that is cheap.

    A local one by its size; one from a URL comes whole and is checked by its digest too, so that
    no clip is taken from a shard that another one replaced. ValueError where they differ,
    FileNotFoundError where there is none.
    """
    if "://" in ref.place:
        yield io.BytesIO(_fetch(ref))
        return
    with Path(ref.place).open("rb") as file:
        _check_size(ref, file.seek(0, io.SEEK_END))
        file.seek(0)
        yield file


def _fetch(ref: ShardRef) -> bytes:
    content = _cat(ref.place)
    _check_size(ref, len(content))
    if ref.sha256 and hashlib.sha256(content).hexdigest() != ref.sha256:
        raise ValueError("its digest is not the one that its index says")
    return content


def fetch_part(ref: ShardRef, offset: int, length: int) -> bytes:
    """`length` bytes of the shard from `offset`, without the rest; fewer at its end."""
    if "://" in ref.place:
        return _cat(ref.place, start=offset, end=offset + length)
    with Path(ref.place).open("rb") as file:
        file.seek(offset)
        return file.read(length)


def _cat(url: str, start: int | None = None, end: int | None = None) -> bytes:
    filesystem, path = open_filesystem(url)
    try:
        return bytes(filesystem.cat_file(path, start=start, end=end))
    except FileNotFoundError:
        raise
    except Exception as error:  # each file system has errors of its own
        raise InputError(
            f"{url} cannot be fetched ({type(error).__name__}: {error}); is the network up, and "
            "are the credentials set? The same command goes on where it stopped"
        ) from error


def _check_size(ref: ShardRef, size: int) -> None:
    if ref.bytes not in (-1, size):
        raise ValueError(f"{size} bytes where its index says {ref.bytes}")
