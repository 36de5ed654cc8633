"""A cascade of two finished models: the small one answers if it is sure, else the large one."""
# N clips  K classes

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipnet.errors import InputError
from lipnet.selection.ensemble import softmax

Logits = NDArray[np.floating]
NO_CLIP = 2.0  # a threshold that no probability reaches: the large model answers every clip


@dataclass(frozen=True)
class Cascade:
    """A clip leaves after the small model if its top probability there is at least `threshold`
    (IDK cascades, Wang et al., arXiv 1706.00885)."""

    threshold: float

    def leaves(self, small_NK: Logits) -> NDArray[np.bool_]:
        """Whether the small model answers, per clip."""
        return np.asarray(_top(small_NK) >= self.threshold)

    def probabilities(self, small_NK: Logits, large_NK: Logits) -> NDArray[np.float32]:
        """Each clip's probabilities [N, K], of the model that answers."""
        leaves_N1 = self.leaves(small_NK)[:, None]
        return np.where(leaves_N1, softmax(small_NK), softmax(large_NK))


def choose_cascade(small_NK: Logits, large_NK: Logits, labels_N: NDArray[np.integer]) -> Cascade:
    """The lowest threshold, so the lowest cost, at which the cascade reads at least as many
    validation clips as the large model; InputError if no clip may leave."""
    cascade = find_cascade(small_NK, large_NK, labels_N)
    if cascade.threshold == NO_CLIP:
        raise InputError(
            "no threshold keeps the large model's accuracy on validation: the small model is wrong "
            "where it is most sure"
        )
    return cascade


def find_cascade(small_NK: Logits, large_NK: Logits, labels_N: NDArray[np.integer]) -> Cascade:
    """The same, with the threshold NO_CLIP if no clip may leave."""
    if small_NK.shape != large_NK.shape or labels_N.shape != small_NK.shape[:1]:
        raise InputError(f"logits {small_NK.shape} and {large_NK.shape} are not of the same clips")
    top_N = _top(small_NK)
    gained_N = (small_NK.argmax(1) == labels_N).astype(np.int64) - (large_NK.argmax(1) == labels_N)
    order_N = np.argsort(-top_N, kind="stable")
    gained_by_N = np.cumsum(gained_N[order_N])  # over the large model, if this many clips leave
    sorted_N = top_N[order_N]
    is_last_N = np.append(sorted_N[1:] < sorted_N[:-1], True)  # of clips of equal probability
    allowed = np.flatnonzero(is_last_N & (gained_by_N >= 0))
    return Cascade(float(sorted_N[allowed[-1]]) if len(allowed) else NO_CLIP)


def _top(logits_NK: Logits) -> NDArray[np.float64]:
    return np.asarray(softmax(logits_NK).max(axis=1).astype(np.float64))
