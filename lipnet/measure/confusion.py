"""Which labels are mistaken for which: the confusion matrix and its look-alikes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# N clips  K classes


@dataclass(frozen=True)
class LookAlike:
    """Two labels that are mistaken for each other: `mistaken` of the `clips` that are either."""

    first: str
    second: str
    mistaken: int
    clips: int

    @property
    def share(self) -> float:
        """Fraction of the two labels' clips that went to the other."""
        return self.mistaken / self.clips


def confusion_matrix(
    labels_N: NDArray[np.integer], predicted_N: NDArray[np.integer], n_classes: int
) -> NDArray[np.int64]:
    """Counts [K, K]: rows are actual labels, columns predicted ones."""
    cells_N = labels_N.astype(np.int64) * n_classes + predicted_N.astype(np.int64)
    return np.bincount(cells_N, minlength=n_classes**2).reshape(n_classes, n_classes)


def find_lookalikes(
    matrix_KK: NDArray[np.int64], labels: Sequence[str], *, limit: int = 10
) -> list[LookAlike]:
    """The label pairs most mistaken for each other, by share, then count, then name."""
    clips_K = matrix_KK.sum(axis=1)
    pairs = [
        LookAlike(
            labels[first],
            labels[second],
            int(matrix_KK[first, second] + matrix_KK[second, first]),
            int(clips_K[first] + clips_K[second]),
        )
        for first, second in _confused(matrix_KK)
    ]
    pairs.sort(key=lambda pair: (-pair.share, -pair.mistaken, pair.first, pair.second))
    return pairs[:limit]


def group_lookalikes(matrix_KK: NDArray[np.int64]) -> list[list[int]]:
    """Label indices in chains, the most confused labels next to each other, the worst chain first.

    Pairs are linked in order of their share of mistakes, as long as both labels are at an end of
    their chain; labels that are never confused follow one by one.
    """
    clips_K = matrix_KK.sum(axis=1)
    worst = sorted(
        _confused(matrix_KK),
        key=lambda pair: (-_share(matrix_KK, clips_K, *pair), pair),
    )
    chain_of = {label: [label] for label in range(len(matrix_KK))}
    order: list[list[int]] = []
    for first, second in worst:
        joined = _join(chain_of[first], chain_of[second], first, second)
        if joined is None:
            continue
        order = [chain for chain in order if chain[0] not in joined]
        order.append(joined)
        chain_of.update(dict.fromkeys(joined, joined))
    order.sort(key=lambda chain: (-_worst_link(matrix_KK, clips_K, chain), chain))
    linked = {label for chain in order for label in chain}
    return order + [[label] for label in range(len(matrix_KK)) if label not in linked]


def _confused(matrix_KK: NDArray[np.int64]) -> list[tuple[int, int]]:
    either_KK = np.triu(matrix_KK + matrix_KK.T, k=1)
    return [(int(first), int(second)) for first, second in np.argwhere(either_KK > 0)]


def _share(
    matrix_KK: NDArray[np.int64], clips_K: NDArray[np.int64], first: int, second: int
) -> float:
    mistaken = matrix_KK[first, second] + matrix_KK[second, first]
    return float(mistaken / max(1, clips_K[first] + clips_K[second]))


def _join(one: list[int], other: list[int], first: int, second: int) -> list[int] | None:
    """The two chains end to end at `first` and `second`, or None if one is not at an end."""
    if one is other or first not in (one[0], one[-1]) or second not in (other[0], other[-1]):
        return None
    left = one if one[-1] == first else one[::-1]
    right = other if other[0] == second else other[::-1]
    return left + right


def _worst_link(
    matrix_KK: NDArray[np.int64], clips_K: NDArray[np.int64], chain: list[int]
) -> float:
    links = zip(chain[:-1], chain[1:], strict=True)
    return max(_share(matrix_KK, clips_K, first, second) for first, second in links)
