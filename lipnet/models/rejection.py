"""Rejection: the probability below which no word counts as read, chosen on validation."""
# N clips  K classes

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from torch import Tensor

from lipnet.records import Record

KEPT_RIGHT = 0.95  # share of the correctly read validation clips that are still read
MIN_RIGHT = 20  # correctly read clips; with fewer, their 5th percentile is not known
ORIGIN_KEY = "rejection"  # in the origin of a model's card


@dataclass(frozen=True)
class Rejection:
    """A clip is "none of these" if its most likely label's probability is less than `below`.

    `kept_right` and `kept_wrong` are the shares of the correctly and wrongly read validation
    clips, of `clips` in all, that are not rejected. Validation has no other words than the model's
    labels, so the share of other words that is rejected is not known.
    """

    below: float
    kept_right: float
    kept_wrong: float
    clips: int

    def rejects(self, probability: float) -> bool:
        """Whether a clip with this best probability is none of the labels."""
        return probability < self.below


def choose_rejection(logits_NK: Tensor, labels_N: Tensor) -> Rejection | None:
    """The probability that KEPT_RIGHT of the correctly read clips reach; None if too few are."""
    best_N, found_N = logits_NK.double().softmax(1).max(1)
    right_N = found_N == labels_N
    if int(right_N.sum()) < MIN_RIGHT:
        return None
    sorted_M = best_N[right_N].sort().values
    below = float(sorted_M[int((1 - KEPT_RIGHT) * len(sorted_M))])
    kept_N = best_N >= below
    return Rejection(below, _share(kept_N[right_N]), _share(kept_N[~right_N]), clips=len(labels_N))


def describe_rejection(chosen: Rejection | None) -> dict[str, object]:
    """The entry of a card's origin; empty if none was chosen."""
    return {} if chosen is None else {ORIGIN_KEY: asdict(chosen)}


def read_rejection(origin: Mapping[str, object]) -> Rejection | None:
    """The threshold in a card's origin, None if it has none; ValueError if it is damaged."""
    if ORIGIN_KEY not in origin:
        return None
    found = Record(Record(origin).fields(ORIGIN_KEY))
    return Rejection(
        found.fraction("below"),
        found.fraction("kept_right"),
        found.fraction("kept_wrong"),
        found.count("clips"),
    )


def _share(chosen_M: Tensor) -> float:
    return float(chosen_M.double().mean()) if len(chosen_M) else 0.0
