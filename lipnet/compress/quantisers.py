"""Quantisers: what a weight becomes when it is stored, fitted to one tensor of a trained model.

Each has `values`, the stored values with straight-through gradients for tuning, and `pack`, whose
unpacked values are the same up to rounding.
"""
# C output channels  N values  K codebook entries

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipnet.coding.tensors import (
    CODEBOOK,
    FACTORS,
    HALF,
    LEVELS,
    NO_CODES,
    SIGNS,
    Packed,
    largest_level,
)
from lipnet.how import Step

RATIOS = torch.linspace(1.0, 0.2, 33)  # of the largest weight: candidates for the largest level
LLOYD_STEPS = 200


class Quantiser(Protocol):
    """The stored form of one tensor; what is fitted (masks, clusters, factors) stays as it is.

    A quantiser is fitted and packs on the CPU; see `move`.
    """

    def values(self, weight: Tensor) -> Tensor:
        """The values that are stored for this weight; gradients pass as if it were the identity
        (Hinton, 2012; Courbariaux et al., arXiv 1511.00363)."""
        ...

    def pack(self, weight: Tensor) -> Packed:
        """The tensor in its stored form."""
        ...


def straight_through(weight: Tensor, stored: Tensor) -> Tensor:
    """The stored values, with the gradient of the weight."""
    return weight + (stored - weight).detach()


def to_half(weight: Tensor) -> Tensor:
    """The nearest half-precision values, in single precision."""
    return weight.half().float()


@dataclass(frozen=True)
class Halves:
    """Half precision, of the values of `kept` (None: all) alone."""

    kept: Tensor | None = None

    def values(self, weight: Tensor) -> Tensor:
        stored = straight_through(weight, to_half(weight))
        return stored if self.kept is None else stored * self.kept

    def pack(self, weight: Tensor) -> Packed:
        kept = _as_mask(self.kept)
        return Packed(tuple(weight.shape), HALF, _floats(_select(weight, kept)), NO_CODES, 0, kept)


@dataclass(frozen=True)
class Levels:
    """Symmetric integers and one scale per output channel: `ratios_C` of its largest weight is the
    largest level, as fitted by squared error."""

    bits: int
    ratios_C: Tensor
    kept: Tensor | None = None

    @classmethod
    def fit(cls, weight: Tensor, bits: int, kept: Tensor | None) -> "Levels":
        weight = _masked(weight.detach(), kept)
        candidates = [cls(bits, ratio.expand(len(weight)), kept) for ratio in RATIOS]
        stored = [own.quantise(weight)[0] for own in candidates]
        errors_RC = torch.stack([(own - weight).square().flatten(1).sum(1) for own in stored])
        return cls(bits, RATIOS[errors_RC.argmin(0)], kept)

    def quantise(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Values, integers and scales [C] of a masked weight."""
        largest = largest_level(self.bits)
        peaks_C = weight.abs().flatten(1).amax(1)
        scales_C = to_half(self.ratios_C * peaks_C / largest)
        scales = scales_C.view(-1, *(1 for _ in weight.shape[1:]))
        steps = torch.where(scales > 0, weight / scales, 0).round().clamp(-largest, largest)
        return scales * steps, steps, scales_C

    def values(self, weight: Tensor) -> Tensor:
        weight = _masked(weight, self.kept)
        return straight_through(weight, self.quantise(weight)[0])

    def pack(self, weight: Tensor) -> Packed:
        kept = _as_mask(self.kept)
        _, steps, scales_C = self.quantise(_masked(weight, self.kept))
        codes = (_select(steps, kept) + largest_level(self.bits)).astype(np.uint8)
        floats = _floats(scales_C.numpy())
        return Packed(tuple(weight.shape), LEVELS, floats, codes, self.bits, kept)


@dataclass(frozen=True)
class Signs:
    """Signs and the mean magnitude of each output channel, which is the scale of least squared
    error (Rastegari et al., arXiv 1603.05279, section 3.1); 0 counts as positive."""

    def values(self, weight: Tensor) -> Tensor:
        return straight_through(weight, self._scales(weight) * _sign(weight))

    def pack(self, weight: Tensor) -> Packed:
        codes = (weight >= 0).numpy().astype(np.uint8).ravel()
        floats = _floats(self._scales(weight).flatten().numpy())
        return Packed(tuple(weight.shape), SIGNS, floats, codes)

    def _scales(self, weight: Tensor) -> Tensor:
        scales_C = to_half(weight.abs().flatten(1).mean(1))
        return scales_C.view(-1, *(1 for _ in weight.shape[1:]))


@dataclass(frozen=True)
class Clusters:
    """The means of fixed groups of weights: a mean's gradient is the sum over its weights' (Han et
    al., arXiv 1510.00149, section 3.3). `groups_N` are those of the kept values."""

    bits: int
    groups_N: Tensor
    kept: Tensor | None = None

    @classmethod
    def fit(cls, weight: Tensor, bits: int, kept: Tensor | None) -> "Clusters":
        values_N = _select(weight.detach(), _as_mask(kept)).astype(np.float64)
        groups_N = torch.from_numpy(cluster(values_N, 2**bits))
        return cls(bits, groups_N, kept)

    def book(self, weight: Tensor) -> Tensor:
        """The groups' means [K]; that of an empty group is 0."""
        values_N = weight.flatten() if self.kept is None else weight[self.kept]
        zeros_K = weight.new_zeros(2**self.bits)
        sums_K = zeros_K.index_add(0, self.groups_N, values_N)
        sizes_K = zeros_K.index_add(0, self.groups_N, torch.ones_like(values_N))
        means_K = sums_K / sizes_K.clamp(min=1)
        return straight_through(means_K, to_half(means_K))

    def values(self, weight: Tensor) -> Tensor:
        values_N = self.book(weight)[self.groups_N]
        if self.kept is None:
            return values_N.view(weight.shape)
        return torch.zeros_like(weight).masked_scatter(self.kept, values_N)

    def pack(self, weight: Tensor) -> Packed:
        codes = self.groups_N.numpy().astype(np.uint8)
        floats, kept = _floats(self.book(weight).numpy()), _as_mask(self.kept)
        return Packed(tuple(weight.shape), CODEBOOK, floats, codes, self.bits, kept)


@dataclass(frozen=True)
class Factors:
    """A product of two matrices. `left` [C, rank] is fitted by SVD and stays; `right` is what
    comes nearest to the weight with it."""

    left: Tensor
    inverse: Tensor

    @classmethod
    def fit(cls, weight: Tensor, share: float) -> "Factors | Halves":
        matrix = weight.detach().flatten(1).double()
        rank = int(share * matrix.numel() / sum(matrix.shape))
        if rank == 0:
            return Halves()
        left = to_half(torch.linalg.svd(matrix, full_matrices=False).U[:, :rank].float())
        return cls(left, torch.linalg.pinv(left.double()).float())

    def right(self, weight: Tensor) -> Tensor:
        """The second factor [rank, rest]."""
        right = self.inverse @ weight.flatten(1)
        return straight_through(right, to_half(right))

    def values(self, weight: Tensor) -> Tensor:
        return (self.left @ self.right(weight)).view(weight.shape)

    def pack(self, weight: Tensor) -> Packed:
        both = torch.cat([self.left.flatten(), self.right(weight).flatten()])
        rank = self.left.shape[1]
        return Packed(tuple(weight.shape), FACTORS, _floats(both.numpy()), NO_CODES, rank)


def move(quantiser: Quantiser, device: torch.device) -> Quantiser:
    """The quantiser for weights on another device."""
    moved = copy.copy(quantiser)
    for name, own in vars(quantiser).items():
        if isinstance(own, Tensor):
            object.__setattr__(moved, name, own.to(device))  # of a frozen dataclass
    return moved


# From a step, a tensor and the mask of what is kept to the tensor's quantiser.
FITTERS: dict[str, Callable[[Step, Tensor, Tensor | None], Quantiser]] = {
    "half": lambda step, weight, kept: Halves(kept),
    "int": lambda step, weight, kept: Levels.fit(weight, int(step.number), kept),
    "cluster": lambda step, weight, kept: Clusters.fit(weight, int(step.number), kept),
    "binary": lambda step, weight, kept: Signs(),
    "lowrank": lambda step, weight, kept: Factors.fit(weight, step.number),
}


def keep_largest(weight: Tensor, pruned: float) -> Tensor:
    """The mask of a tensor without its `pruned` share of smallest weights, single ones
    (unstructured); of equal weights the first is left out first."""
    flat_N = weight.detach().abs().flatten()
    kept_N = torch.ones_like(flat_N, dtype=torch.bool)
    kept_N[flat_N.argsort(stable=True)[: int(pruned * len(flat_N))]] = False
    return kept_N.view(weight.shape)


def cluster(values_N: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The group of each value by k-means in one dimension, from centres at equal distances between
    the extremes, which Han et al. found best (arXiv 1510.00149, section 3.2)."""
    order_N = np.sort(values_N)
    sums_N = np.concatenate([[0.0], np.cumsum(order_N)])
    centres_K = np.linspace(order_N[0], order_N[-1], count) if len(order_N) else np.zeros(count)
    for _ in range(LLOYD_STEPS):
        inner = np.searchsorted(order_N, (centres_K[1:] + centres_K[:-1]) / 2)
        bounds = np.concatenate([[0], inner, [len(order_N)]])
        sizes_K = np.diff(bounds)
        means_K = np.diff(sums_N[bounds]) / np.maximum(sizes_K, 1)
        moved_K = np.where(sizes_K > 0, means_K, centres_K)
        if np.array_equal(moved_K, centres_K):
            break
        centres_K = moved_K
    return np.searchsorted((centres_K[1:] + centres_K[:-1]) / 2, values_N)


def _sign(weight: Tensor) -> Tensor:
    return torch.where(weight >= 0, 1.0, -1.0)


def _masked(weight: Tensor, kept: Tensor | None) -> Tensor:
    return weight if kept is None else weight * kept


def _as_mask(kept: Tensor | None) -> NDArray[np.bool_] | None:
    return None if kept is None else kept.numpy().ravel()


def _select(weight: Tensor, kept: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    values_N = weight.contiguous().numpy().ravel()
    return values_N if kept is None else values_N[kept]


def _floats(values: NDArray[np.float32]) -> NDArray[np.float16]:
    with np.errstate(over="ignore"):  # an infinite one is refused by name before it is written
        return values.astype(np.float16)
