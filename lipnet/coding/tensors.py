"""Packed tensors: weights as scales and integers, a codebook, factors or halves, some of them zero.

`unpack` is the one definition of the values: a model is measured with what its file gives back.
"""
# N values kept  C output channels  K codebook entries

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipnet.coding.symbols import Symbols

Half = NDArray[np.float16]
Single = NDArray[np.float32]

HALF, COUNT, LEVELS, SIGNS, CODEBOOK, FACTORS = (
    *("half", "count", "levels", "signs", "codebook"),
    "factors",
)


@dataclass(frozen=True, eq=False)
class Packed:
    """One tensor. `kept` marks the values that are not zero, None if all are stored.

    - half: `floats` are the values.
    - levels: `codes` - (2^(bits - 1) - 1) times the scale of the value's output channel.
    - signs: 0 and 1 are minus and plus the scale of the output channel.
    - codebook: `codes` are indices of `floats`, of which there are at most 2^bits.
    - factors: a [C, rank] and a [rank, rest] matrix, one after the other; `bits` is the rank.
    - count: `counts` are whole numbers.
    """

    shape: tuple[int, ...]
    kind: str
    floats: Half
    codes: Symbols
    bits: int = 0
    kept: NDArray[np.bool_] | None = None
    counts: tuple[int, ...] = ()

    @property
    def n_stored(self) -> int:
        """The values that are not left out as zeros."""
        return prod(self.shape) if self.kept is None else int(self.kept.sum())


NO_FLOATS, NO_CODES = np.zeros(0, np.float16), np.zeros(0, np.uint8)


def unpack(packed: Packed) -> Tensor:
    """The tensor: float32, of a count int64."""
    if packed.kind == COUNT:
        return torch.tensor(packed.counts, dtype=torch.int64).reshape(packed.shape)
    values_N = KINDS[packed.kind].values(packed)
    if packed.kept is None:
        return torch.from_numpy(values_N.reshape(packed.shape))
    dense = np.zeros(prod(packed.shape), np.float32)
    dense[packed.kept] = values_N
    return torch.from_numpy(dense.reshape(packed.shape))


def largest_level(bits: int) -> int:
    """Integers of `bits` bits are from minus this to this."""
    return (1 << bits - 1) - 1


def _count_channels(packed: Packed) -> int:
    """The output channels; a number alone has none."""
    return packed.shape[0] if packed.shape else 0


def _count_factors(packed: Packed) -> int:
    return packed.bits * (packed.shape[0] + prod(packed.shape[1:])) if packed.shape else 0


def _halves(packed: Packed) -> Single:
    return packed.floats.astype(np.float32)


def _levels(packed: Packed) -> Single:
    steps_N = packed.codes.astype(np.float32) - np.float32(largest_level(packed.bits))
    return _scales_of(packed) * steps_N


def _signs(packed: Packed) -> Single:
    return _scales_of(packed) * (2 * packed.codes.astype(np.float32) - 1)


def _scales_of(packed: Packed) -> Single:
    """The scale of each stored value's output channel."""
    scales_N = np.repeat(packed.floats.astype(np.float32), prod(packed.shape[1:]))
    return scales_N if packed.kept is None else scales_N[packed.kept]


def _codebook(packed: Packed) -> Single:
    return packed.floats.astype(np.float32)[packed.codes]


def _factors(packed: Packed) -> Single:
    rank, out = packed.bits, packed.shape[0]
    left = packed.floats[: out * rank].reshape(out, rank).astype(np.float64)
    right = packed.floats[out * rank :].reshape(rank, -1).astype(np.float64)
    return np.asarray((left @ right).astype(np.float32).ravel())


@dataclass(frozen=True)
class Kind:
    """A stored form: the values of such a tensor, how many floats it has (a codebook may have
    fewer), the least and most bits (of factors, the rank), and whether it has codes."""

    values: Callable[[Packed], Single]
    count_floats: Callable[[Packed], int]
    bits: tuple[int, int] = (0, 0)
    has_codes: bool = True


KINDS: dict[str, Kind] = {
    HALF: Kind(_halves, lambda packed: packed.n_stored, has_codes=False),
    COUNT: Kind(_halves, lambda packed: 0, has_codes=False),  # `unpack` reads its counts
    LEVELS: Kind(_levels, _count_channels, bits=(2, 8)),
    SIGNS: Kind(_signs, _count_channels),
    CODEBOOK: Kind(_codebook, lambda packed: 1 << packed.bits, bits=(1, 8)),
    FACTORS: Kind(_factors, _count_factors, bits=(1, 2**20), has_codes=False),
}
