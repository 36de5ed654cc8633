"""The file format of dlib's landmark models: a stream of numbers, parsed into arrays of trees."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

# P landmark points (68)  F pixels sampled by one cascade  R trees  S splits of a tree
# L leaves of all trees  D numbers of a shape (2 P)
Numbers = NDArray[np.int32]

SLAB_BYTES = 2 << 20
PIECE_BYTES = 256  # of a slab: all pieces are parsed at once
MAX_NUMBER_BYTES = 16  # for any first byte
KEEP_BITS = np.array([0, 0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF], np.uint32)  # by a number's size


@dataclass(frozen=True)
class Cascade:
    """One round of trees: which pixels they compare, and how far each leaf moves the shape."""

    anchor_F: NDArray[np.int64]  # the point that each sampled pixel is relative to
    offset_F2: NDArray[np.float32]  # its offset from there in the mean shape
    first_SR: NDArray[np.int64]  # a split goes left if pixel `first` - pixel `second` exceeds
    second_SR: NDArray[np.int64]
    limit_SR: NDArray[np.int16]  # the threshold, rounded down: equivalent for integers
    leaves_LD: NDArray[np.float32]  # x and y alternate


@dataclass(frozen=True)
class Trees:
    """A whole model: the mean shape in a box of side 1, and the cascades that refine it."""

    mean_P2: NDArray[np.float32]
    cascades: tuple[Cascade, ...]


def read_trees(path: Path) -> Trees:
    """The model in the file; ValueError if it has none, or trees of different depths."""
    with path.open("rb") as file:
        stream = _Numbers(file)
        _, rows, _ = stream.take(3)
        width = abs(int(rows))
        mean = _as_floats(stream.take_pairs(width))
        forests = [_read_forest(stream, width) for _ in range(stream.take_count())]
        stream.expect(len(forests))
        anchors = [stream.take(stream.take_count()).astype(np.int64) for _ in forests]
        stream.expect(len(forests))
        offsets = [_as_floats(stream.take_pairs(2 * stream.take_count())) for _ in forests]
    cascades = [
        Cascade(anchor, offset.reshape(-1, 2), *forest)
        for anchor, offset, forest in zip(anchors, offsets, forests, strict=True)
    ]
    return Trees(mean.reshape(-1, 2), tuple(cascades))


class _Numbers:
    """The stream's numbers in order; at least a slab is read ahead."""

    def __init__(self, file: BinaryIO) -> None:
        self._slabs = _split_slabs(file)
        self._ready = np.zeros(0, np.int32)

    def take(self, count: int) -> Numbers:
        """The next `count` numbers."""
        parts, have = [self._ready], len(self._ready)
        while have < count:
            slab = next(self._slabs, None)
            if slab is None:
                raise ValueError("the file ends too early")
            parts.append(slab)
            have += len(slab)
        joined = np.concatenate(parts)
        self._ready = joined[count:]
        return joined[:count]

    def take_count(self) -> int:
        """The next number, the count of what follows."""
        count = int(self.take(1)[0])
        if not 0 < count < 100_000:
            raise ValueError(f"{count} instead of a count")
        return count

    def take_pairs(self, count: int) -> Numbers:
        """The next `count` pairs of numbers, [count, 2]."""
        return self.take(2 * count).reshape(-1, 2)

    def expect(self, count: int) -> None:
        """ValueError unless the next number is this one."""
        found = self.take_count()
        if found != count:
            raise ValueError(f"{found} parts instead of {count}")


def _split_slabs(file: BinaryIO) -> Iterator[Numbers]:
    rest = b""
    while True:
        piece = file.read(SLAB_BYTES)
        block = rest + piece
        end = len(block) - (MAX_NUMBER_BYTES if piece else 0)
        used = 0
        if end > 0:
            numbers, used = split_numbers(block, end)
            if used > len(block):
                raise ValueError("the file ends within a number")
            yield numbers
        if not piece:
            return
        rest = block[used:]


def split_numbers(block: bytes, end: int) -> tuple[Numbers, int]:
    """The numbers that start before `end`, and the offset after the last of them.

    A number is one byte with its sign (128) and its size (the low bits), then that many bytes,
    lowest first. Only the previous number gives the start of the next one, so all pieces are parsed
    in parallel from guessed starts, and again from the stops of the previous pieces, until the
    starts no longer change.
    """
    raw = np.frombuffer(block + bytes(MAX_NUMBER_BYTES * (PIECE_BYTES + 1)), np.uint8)
    step = ((raw & 15) + 1).astype(np.uint8)
    step[end:] = 1
    limits = np.append(np.arange(PIECE_BYTES, end, PIECE_BYTES), end)
    starts = np.append(0, limits[:-1])
    while True:
        offsets, inside, stops = _parse_pieces(step, starts, limits)
        if (stops[:-1] == starts[1:]).all():
            break
        starts = np.append(0, stops[:-1])
    return _decode(raw, offsets[inside]), int(stops[-1])


def _parse_pieces(
    step: NDArray[np.uint8], starts: NDArray[np.int64], limits: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """Each piece's offsets [pieces, steps], which of them are before its limit, and the next."""
    rows = [starts]
    while (rows[-1] < limits).any():
        for _ in range(16):
            rows.append(rows[-1] + step[rows[-1]])
    offsets = np.stack(rows, axis=1)
    inside = offsets < limits[:, None]
    stops = offsets[np.arange(len(starts)), inside.sum(axis=1)]
    return offsets, inside, stops


def _decode(raw: NDArray[np.uint8], offsets: NDArray[np.int64]) -> Numbers:
    heads = raw[offsets]
    sizes = heads & 15
    if sizes.size and sizes.max() >= len(KEEP_BITS):
        raise ValueError("a number of more than four bytes")
    words = np.ndarray((len(raw) - 4,), "<u4", raw, 0, (1,))  # the four bytes from each offset
    numbers = (words[offsets + 1] & KEEP_BITS[sizes]).astype(np.int32)
    return np.asarray(np.where(heads & 128, -numbers, numbers), np.int32)


def _as_floats(pairs_N2: Numbers) -> NDArray[np.float32]:
    """Floats are stored as mantissa and exponent."""
    return np.ldexp(pairs_N2[..., 0].astype(np.float32), pairs_N2[..., 1])


def _read_forest(
    stream: _Numbers, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int16], NDArray[np.float32]]:
    """One cascade's splits and leaves; every tree has as many numbers as the first."""
    trees = stream.take_count()
    splits = stream.take_count()
    leaves = splits + 1
    size = 1 + 4 * splits + 1 + leaves * (2 + 2 * width)
    rest = stream.take(trees * size - 1)
    table = np.concatenate([np.array([splits], np.int32), rest]).reshape(trees, size)
    ends = 1 + 4 * splits
    nodes = table[:, 1:ends].reshape(trees, splits, 4)
    moves = table[:, ends + 1 :].reshape(trees, leaves, 2 + 2 * width)
    regular = (table[:, 0] == splits).all() and (table[:, ends] == leaves).all()
    if not regular or leaves & splits or leaves > 256 or (abs(moves[:, :, 0]) != width).any():
        raise ValueError("trees of different depths, or with more than 256 leaves")
    limits = np.floor(_as_floats(nodes[:, :, 2:]))
    return (
        nodes[:, :, 0].T.astype(np.int64, order="C"),
        nodes[:, :, 1].T.astype(np.int64, order="C"),
        limits.T.astype(np.int16, order="C"),
        _as_floats(moves[:, :, 2:].reshape(trees * leaves, width, 2)),
    )
