"""Leaks: clips whose crops are equal in several splits, found by the tables of the shards."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lipnet.shards.storage import ShardRef
from lipnet.shards.table import ClipRow, read_table
from lipnet.shards.tar import read_clip

SEVERAL = "*"
Pixels = tuple[int, float, float]  # frames, mean and deviation: equal for equal crops


def find_leaks(indexes: Sequence[Path]) -> list[dict[str, str]]:
    """A clip's id for each of the splits that have the same crops, byte for byte, under any names.

    The indexes are those of all splits, each in a folder named after its split. Only clips whose
    statistics are equal in several splits are read.
    """
    split_of: dict[Pixels, str] = {}
    for split, _, row in _list_rows(indexes):
        if split_of.setdefault(_pixels_of(row), split) != split:
            split_of[_pixels_of(row)] = SEVERAL
    found: dict[str, dict[str, str]] = {}
    for split, ref, row in _list_rows(indexes):
        if split_of[_pixels_of(row)] == SEVERAL:
            crops_THW, _ = read_clip(ref, row)
            digest = hashlib.sha256(crops_THW.tobytes()).hexdigest()
            found.setdefault(digest, {}).setdefault(split, row.clip_id)
    return [ids for ids in found.values() if len(ids) > 1]


def _list_rows(indexes: Iterable[Path]) -> Iterator[tuple[str, ShardRef, ClipRow]]:
    for path in indexes:
        ref = ShardRef.of_index(path)
        for row in read_table(path.with_suffix(".csv")) if ref.clips else []:
            yield path.parent.name, ref, row


def _pixels_of(row: ClipRow) -> Pixels:
    return row.frames, row.mean, row.std
