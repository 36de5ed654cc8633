"""Decoded clips in files on a local disk, which all processes of a machine map into memory.

A folder per view of a split, named by the digest of all that decides its content: the shards'
SHA-256, the pixels that are kept, the labels, the code. Nothing else refers to it, so it may be
deleted at any time.
"""
# N clips  T frames  H W pixels

import errno
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from lipnet.data.batch import Frames, Sample
from lipnet.data.shrink import Shrink
from lipnet.errors import InputError
from lipnet.files import digest_files, digest_of, read_json, write_folder_atomic, write_json
from lipnet.locks import lock_file
from lipnet.records import Record
from lipnet.shards import codec, meta
from lipnet.shards.meta import ClipMeta
from lipnet.shards.storage import ShardRef

FRAMES, CLIPS, DIGESTS = "frames.u8", "clips.jsonl", "digests.json"
CODE = [Path(__file__), Path(codec.__file__), Path(meta.__file__)]
CODE.append(Path(__file__).with_name("shrink.py"))
# Folders, as their files were when this process compared their SHA-256.
_verified: set[tuple[object, ...]] = set()


@dataclass(frozen=True)
class DecodedSplit:
    """A split as it is decoded: where its files are, and the shape of its frames [N, T, H, W]."""

    folder: Path
    shape: tuple[int, int, int, int]

    @classmethod
    def of(
        cls, cache: Path, refs: Sequence[ShardRef], shrink: Shrink, labels: Sequence[str]
    ) -> "DecodedSplit":
        """The split of these shards in the folder `cache`; InputError for one without a digest."""
        unknown = [ref.location for ref in refs if not ref.sha256]
        if unknown:
            raise InputError(
                f"workers.cache needs the SHA-256 of each shard, and the index of {unknown[0]} has "
                "none: run the stage shards again"
            )
        clips, longest = sum(ref.clips for ref in refs), max(ref.longest for ref in refs)
        shape = (clips, longest, shrink.size, shrink.size)
        facts = {
            "shards": [ref.sha256 for ref in refs],
            "shape": shape,
            "shrink": asdict(shrink),
            "labels": list(labels),
            "code": [digest_files(CODE), cv2.__version__],
        }
        return cls(cache / digest_of(facts), shape)

    @property
    def total_bytes(self) -> int:
        """The size of its frames."""
        return int(np.prod(self.shape, dtype=np.int64))


def open_decoded(
    split: DecodedSplit, decode: Callable[[], Iterable[Sample]]
) -> tuple[Frames, list[tuple[int, ClipMeta]]]:
    """Frames [N, T, H, W], zero after each clip and mapped from the disk, with each clip's length
    and metadata; the first process that needs them decodes them, and others wait for it.

    InputError if the disk has no room, or the files are not as they were written.
    """
    with _lock(split.folder):
        if not split.folder.is_dir():
            _write(split, decode())
    return _read(split)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """One process of the machine at a time; a lock ends with its process."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.with_suffix(".lock")
    with path.open("w") as file:
        if not lock_file(file, path):
            print(f"waiting for another process that decodes {folder}", file=sys.stderr, flush=True)
            lock_file(file, path, wait=True)
        yield


def _write(split: DecodedSplit, samples: Iterable[Sample]) -> None:
    """Decode all clips into the split's folder, whole or not at all."""
    free = shutil.disk_usage(split.folder.parent).free
    if split.total_bytes > free:
        raise _full(split, free)
    try:
        with write_folder_atomic(split.folder) as folder:
            frames, clips = hashlib.sha256(), hashlib.sha256()
            with (folder / FRAMES).open("wb") as pixels, (folder / CLIPS).open("wb") as lines:
                for crops_THW, clip in samples:
                    frames.update(padded := _pad(crops_THW, clip, split))
                    pixels.write(padded)
                    line = f"{len(crops_THW)}\t".encode() + clip.dump() + b"\n"
                    clips.update(line)
                    lines.write(line)
                for file in (pixels, lines):
                    file.flush()
                    os.fsync(file.fileno())
            write_json(folder / DIGESTS, {FRAMES: frames.hexdigest(), CLIPS: clips.hexdigest()})
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _full(split, shutil.disk_usage(split.folder.parent).free) from error


def _pad(crops_THW: Frames, clip: ClipMeta, split: DecodedSplit) -> bytes:
    """The clip's pixels with zeros up to the longest clip of the split."""
    missing = split.shape[1] - len(crops_THW)
    if missing < 0:
        raise InputError(
            f"clip {clip.clip_id} has {len(crops_THW)} frames, and the indexes list at most "
            f"{split.shape[1]}: run the stage shards again"
        )
    return crops_THW.tobytes() + bytes(missing * crops_THW[0].size)


def _full(split: DecodedSplit, free: int) -> InputError:
    needed = f"{split.total_bytes / 1e9:.1f} GB"
    return InputError(
        f"workers.cache: decoded clips need {needed} in {split.folder.parent}, which has "
        f"{free / 1e9:.1f} GB free: free some space, name a folder on another disk, or leave "
        "workers.cache empty"
    )


def _read(split: DecodedSplit) -> tuple[Frames, list[tuple[int, ClipMeta]]]:
    """The split's files, checked against the digests that they were written with."""
    frames, clips = split.folder / FRAMES, split.folder / CLIPS
    try:
        if frames.stat().st_size != split.total_bytes:
            raise ValueError(f"{FRAMES} has {frames.stat().st_size} bytes, not {split.total_bytes}")
        _verify(split.folder)
        listed = [_parse(line) for line in clips.read_bytes().splitlines()]
        if len(listed) != split.shape[0]:
            raise ValueError(f"{CLIPS} has {len(listed)} clips, not {split.shape[0]}")
        # Private, because torch wants memory that it may write; nobody does, so it is shared.
        return np.memmap(frames, np.uint8, mode="c", shape=split.shape), listed
    except (OSError, ValueError) as error:
        raise InputError(
            f"the decoded clips in {split.folder} are damaged ({error}); remove this folder, and "
            "they are decoded again"
        ) from error


def _verify(folder: Path) -> None:
    """ValueError if a file's SHA-256 is not the one that was written with it."""
    wanted = Record(read_json(folder / DIGESTS))
    for name in (FRAMES, CLIPS):
        path = folder / name
        found = path.stat()
        state = (path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        if state in _verified:
            continue
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != wanted.text(name):
                raise ValueError(f"the SHA-256 of {name} is not the one in {DIGESTS}")
        _verified.add(state)


def _parse(line: bytes) -> tuple[int, ClipMeta]:
    length, _, content = line.partition(b"\t")
    return int(length), ClipMeta.parse(content)
