"""Shards: clips as tar files in webdataset's layout, written with equal bytes for equal clips.

Written by tarfile, because webdataset's own writer imports torch into every actor.
"""

import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipnet.errors import InputError
from lipnet.files import read_json, write_atomic

# T frames  H W pixels
Crops = NDArray[np.uint8]
Meta = dict[str, object]
CROPS, META = "crops.npy", "json"
BLOCK = 512  # bytes; a tar ends with two empty blocks, and fills its last record
RECORD = 20 * BLOCK


@dataclass
class ShardFacts:
    """What a shard holds: whole numbers, so that sums over shards are exact."""

    clips: int = 0
    frames: int = 0
    pixels: int = 0
    pixel_sum: int = 0
    pixel_square_sum: int = 0
    bytes: int = 0
    labels: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PixelStats:
    """Mean and standard deviation of pixels, on the scale 0 to 1."""

    mean: float
    std: float


def write_shard(path: Path, samples: Iterable[tuple[Crops, Meta]]) -> ShardFacts:
    """Write clips to a tar, whole or not at all, in the order given; says what it holds.

    A clip's key is its meta's clip_id, which has no dot: webdataset ends a key there.
    """
    facts = ShardFacts()
    labels: Counter[str] = Counter()
    with write_atomic(path) as beside:
        with tarfile.open(beside, "w", format=tarfile.PAX_FORMAT) as tar:
            for crops, meta in samples:
                key = _key_of(meta)
                _add(tar, f"{key}.{CROPS}", _npy_bytes(crops))
                _add(tar, f"{key}.{META}", json.dumps(meta, sort_keys=True).encode())
                _count(facts, crops)
                labels[str(meta["label"])] += 1
        facts.bytes = beside.stat().st_size
    facts.labels = dict(sorted(labels.items()))
    return facts


def facts_as_json(facts: ShardFacts) -> dict[str, object]:
    """The facts as they stand in the index beside the shard."""
    return asdict(facts)


def _key_of(meta: Meta) -> str:
    key = str(meta["clip_id"])
    if "." in key or not key:
        raise InputError(f"clip id {key!r} cannot name a clip in a shard: it needs a name, no dots")
    return key


def _npy_bytes(crops_THW: Crops) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(crops_THW), version=(1, 0))
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    # TarInfo's defaults hold no clock, owner or umask: mtime 0, uid 0, mode 644.
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _count(facts: ShardFacts, crops_THW: Crops) -> None:
    tally = np.bincount(crops_THW.ravel(), minlength=256)
    levels = np.arange(256)
    facts.clips += 1
    facts.frames += len(crops_THW)
    facts.pixels += crops_THW.size
    facts.pixel_sum += int(tally @ levels)
    facts.pixel_square_sum += int(tally @ levels**2)


def pixel_stats(shards: Iterable[ShardFacts]) -> PixelStats:
    """Mean and deviation over all pixels of all the shards."""
    listed = list(shards)
    pixels = max(1, sum(facts.pixels for facts in listed))
    mean = sum(facts.pixel_sum for facts in listed) / pixels / 255
    square = sum(facts.pixel_square_sum for facts in listed) / pixels / 255**2
    return PixelStats(round(mean, 6), round(max(0.0, square - mean**2) ** 0.5, 6))


def read_shard(path: Path) -> Iterator[tuple[Crops, Meta]]:
    """Clips as they were written; InputError naming a shard that is missing, cut or damaged."""
    try:
        _check_whole(path)
        with tarfile.open(path, "r:") as tar:
            held: tuple[str, Crops] | None = None
            for member in tar:
                key, _, kind = member.name.partition(".")
                content = _content(tar, member)
                if kind == CROPS:
                    array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
                    held = key, array
                elif kind == META and held is not None and held[0] == key:
                    yield held[1], json.loads(content)
                    held = None
                else:
                    raise ValueError(f"unexpected member {member.name}")
            if held is not None:
                raise ValueError(f"clip {held[0]} lacks its {META}")
    except FileNotFoundError:
        raise InputError(f"no shard at {path}; run the stage shards") from None
    except (tarfile.TarError, ValueError, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"shard {path} is damaged ({error}); run the stage shards again"
        ) from error


def _check_whole(path: Path) -> None:
    """ValueError for a tar without its end; tarfile takes a cut between members for the end."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 2 * BLOCK))
        if not size or size % RECORD or any(file.read()):
            raise ValueError(f"cut short at {size} bytes")
    index = path.with_suffix(".json")
    written = read_json(index) if index.is_file() else None
    expected = written.get("bytes", size) if isinstance(written, dict) else size
    if expected != size:
        raise ValueError(f"{size} bytes where its index says {expected}")


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    content = file.read() if file is not None else b""
    if len(content) != member.size:
        raise ValueError(f"{member.name} is cut short")
    return content
