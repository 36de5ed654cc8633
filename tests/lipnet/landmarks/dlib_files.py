"""Small landmark models: made up, written as dlib writes them, and walked one face at a time."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipnet.landmarks.predictor import Box
from lipnet.landmarks.predictor_file import Cascade, Trees

# P landmark points  F pixels sampled by one cascade
POINTS, PIXELS, TREES = 5, 12, 7


def make_trees(seed: int, *, depth: int = 3, cascades: int = 2) -> Trees:
    """A model of 5 points with random splits and small random leaves."""
    draw = np.random.default_rng(seed)
    splits = 2**depth - 1

    def make_cascade() -> Cascade:
        return Cascade(
            draw.integers(0, POINTS, PIXELS),
            draw.normal(0, 0.2, (PIXELS, 2)).astype(np.float32),
            draw.integers(0, PIXELS, (splits, TREES)),
            draw.integers(0, PIXELS, (splits, TREES)),
            draw.integers(-90, 90, (splits, TREES)).astype(np.int16),
            draw.normal(0, 0.02, (TREES * (splits + 1), 2 * POINTS)).astype(np.float32),
        )

    mean_P2 = draw.uniform(0, 1, (POINTS, 2)).astype(np.float32)
    return Trees(mean_P2, tuple(make_cascade() for _ in range(cascades)))


def write_number(number: int) -> bytes:
    """Sign and size, then the bytes from the lowest on; 0 takes one byte."""
    size = max(1, (abs(number).bit_length() + 7) // 8)
    return bytes([size + 128 * (number < 0)]) + abs(number).to_bytes(size, "little")


def write_trees(path: Path, trees: Trees) -> None:
    """The model file."""
    width = trees.mean_P2.size
    parts = [_numbers(1, -width, -1), _floats(trees.mean_P2.ravel()), _numbers(len(trees.cascades))]
    parts += [_write_forest(cascade, width) for cascade in trees.cascades]
    parts.append(_numbers(len(trees.cascades)))
    for cascade in trees.cascades:
        parts.append(_numbers(PIXELS, *cascade.anchor_F.tolist()))
    parts.append(_numbers(len(trees.cascades)))
    for cascade in trees.cascades:
        parts.append(_numbers(PIXELS) + _floats(cascade.offset_F2.ravel()))
    path.write_bytes(b"".join(parts))


def _write_forest(cascade: Cascade, width: int) -> bytes:
    splits = len(cascade.first_SR)
    leaves = cascade.leaves_LD.reshape(TREES, splits + 1, width)
    written = [_numbers(TREES)]
    for tree in range(TREES):
        written.append(_numbers(splits))
        for split in range(splits):
            written.append(_numbers(cascade.first_SR[split, tree], cascade.second_SR[split, tree]))
            written.append(_floats([cascade.limit_SR[split, tree] + 0.25]))
        written.append(_numbers(splits + 1))
        for leaf in leaves[tree]:
            written.append(_numbers(-width, -1) + _floats(leaf))
    return b"".join(written)


def _numbers(*numbers: int) -> bytes:
    return b"".join(write_number(int(number)) for number in numbers)


def _floats(values: Iterable[float]) -> bytes:
    """Each as mantissa and exponent."""
    mantissas, exponents = np.frexp(np.fromiter(values, np.float64))
    return b"".join(
        _numbers(round(mantissa * 2**24), exponent - 24)
        for mantissa, exponent in zip(mantissas, exponents, strict=True)
    )


def mark_one(trees: Trees, frame_HW: NDArray[np.uint8], box: Box) -> NDArray[np.float64]:
    """One face's points [P, 2], each tree walked split by split."""
    corner, size = np.round(box[:2]), np.round(box[2:]) - np.round(box[:2])
    shape_P2 = trees.mean_P2.astype(np.float64)
    for cascade in trees.cascades:
        pixels = _sample(cascade, frame_HW, shape_P2, trees.mean_P2, corner, size)
        leaves = len(cascade.first_SR) + 1
        for tree in range(TREES):
            split = 0
            while split < leaves - 1:
                first, second = cascade.first_SR[split, tree], cascade.second_SR[split, tree]
                left = pixels[first] - pixels[second] > cascade.limit_SR[split, tree]
                split = 2 * split + (1 if left else 2)
            leaf = cascade.leaves_LD[tree * leaves + split - leaves + 1]
            shape_P2 = shape_P2 + leaf.reshape(-1, 2)
    return np.asarray(corner + shape_P2 * size, np.float64)


def _sample(
    cascade: Cascade,
    frame_HW: NDArray[np.uint8],
    shape_P2: NDArray[np.float64],
    mean_P2: NDArray[np.float32],
    corner: NDArray[np.float64],
    size: NDArray[np.float64],
) -> list[int]:
    mean_P, shape_P = (p.astype(np.float64) @ np.array([1, 1j]) for p in (mean_P2, shape_P2))
    mean_P, centred_P = mean_P - mean_P.mean(), shape_P - shape_P.mean()
    turn = (mean_P.conj() * centred_P).sum() / (np.abs(mean_P) ** 2).sum()
    found = []
    for anchor, offset in zip(cascade.anchor_F, cascade.offset_F2, strict=True):
        place = shape_P[anchor] + turn * complex(*offset)
        column, row = np.floor(corner + np.array([place.real, place.imag]) * size + 0.5)
        inside = 0 <= row < len(frame_HW) and 0 <= column < len(frame_HW[0])
        found.append(int(frame_HW[int(row), int(column)]) if inside else 0)
    return found
