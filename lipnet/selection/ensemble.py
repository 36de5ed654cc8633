"""Ensembles of finished models: means of probabilities, members chosen on validation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipnet.errors import InputError
from lipnet.measure.accuracy import topk
from lipnet.train.history import beats

# N clips  K classes
MAX_MEMBERS = 8


@dataclass(frozen=True)
class Ensemble:
    """An ensemble's members, and the rule that chose them: "generations" or "greedy"."""

    name: str
    rule: str
    members: tuple[str, ...]


def softmax(logits_NK: NDArray[np.floating]) -> NDArray[np.float32]:
    """Probabilities of each row."""
    shifted_NK = logits_NK - logits_NK.max(axis=1, keepdims=True)
    weights_NK = np.exp(shifted_NK, dtype=np.float32)
    return np.asarray(weights_NK / weights_NK.sum(axis=1, keepdims=True))


def mean_probabilities(logits: Iterable[NDArray[np.floating]]) -> NDArray[np.float32]:
    """The mean of the members' softmax probabilities [N, K]; one member at a time is in memory."""
    return average(softmax(member_NK) for member_NK in logits)


def average(probabilities: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The mean of the members' probabilities [N, K]."""
    total_NK: NDArray[np.float32] | None = None
    members = 0
    for member_NK in probabilities:
        total_NK = member_NK if total_NK is None else total_NK + member_NK
        members += 1
    if total_NK is None:
        raise InputError("an ensemble needs at least one member")
    return np.asarray(total_NK / members)


def score(
    probabilities_NK: NDArray[np.floating], labels_N: NDArray[np.integer]
) -> tuple[float, float]:
    """(top-1, mean negative log-likelihood in nats): what `beats` compares."""
    own_N = np.take_along_axis(probabilities_NK, labels_N[:, None], axis=1)[:, 0]
    nats_N = -np.log(np.maximum(own_N, np.finfo(np.float32).tiny))
    return float(topk(probabilities_NK, labels_N, 1).mean()), float(nats_N.mean())


def lineage_ensembles(lineages: Mapping[str, Sequence[str]]) -> list[Ensemble]:
    """The generations of each lineage that has several (Tables 1 and 2)."""
    return [
        Ensemble(f"{lineage}-all", "generations", tuple(models))
        for lineage, models in sorted(lineages.items())
        if len(models) > 1
    ]


def choose_greedily(
    probabilities: Mapping[str, NDArray[np.float32]],
    labels_N: NDArray[np.integer],
    *,
    limit: int = MAX_MEMBERS,
) -> tuple[str, ...]:
    """Members by forward selection on validation, from each model's probabilities [N, K]: the best
    model first, then the one that improves the ensemble most.

    Stops when no model raises top-1, or lowers the loss at the same top-1.
    """
    candidates = dict(sorted(probabilities.items()))
    chosen: list[str] = []
    total_NK = np.zeros((len(labels_N), 1), dtype=np.float32)
    current = (-1.0, 0.0)
    while candidates and len(chosen) < limit:
        scores = {
            name: score((total_NK + own_NK) / (len(chosen) + 1), labels_N)
            for name, own_NK in candidates.items()
        }
        best = max(scores, key=lambda name: (scores[name][0], -scores[name][1]))
        if not beats(scores[best], current):
            break
        current = scores[best]
        chosen.append(best)
        total_NK = total_NK + candidates.pop(best)
    return tuple(chosen)
