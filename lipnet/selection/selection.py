"""The selection of a study: ensembles and best models, chosen on validation logits only."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipnet.errors import InputError
from lipnet.files import write_json
from lipnet.inference.logits import SavedLogits, check_same_clips, read_logits
from lipnet.selection.cascade import find_cascade
from lipnet.selection.ensemble import (
    Ensemble,
    average,
    choose_greedily,
    lineage_ensembles,
    score,
    softmax,
)
from lipnet.train.history import beats

# N clips  K classes
Pair = tuple[str, str]  # the lineages of a small and of a large model
Probabilities = dict[str, NDArray[np.float32]]  # [N, K] of each model


def write_selection(
    logits_val: Path,
    selection: Path,
    lineages_wanted: Collection[str] | None = None,
    *,
    compressed: Collection[str] = (),
    cascades: Mapping[str, Pair] = MappingProxyType({}),
) -> None:
    """Read every model's validation logits; write the ensembles to build and the best models.

    Compressed lineages are listed and are no candidates: a smaller copy of a model is not another
    model. Each cascade, named with its small and its large lineage, gets its threshold.
    """
    packed = find_models(logits_val, compressed) if compressed else {}
    lineages = find_models(logits_val, lineages_wanted)
    lineages = {lineage: own for lineage, own in lineages.items() if lineage not in packed}
    probabilities, labels_N = read_probabilities(logits_val, lineages, packed)
    scores = {name: score(own_NK, labels_N) for name, own_NK in probabilities.items()}
    ensembles = lineage_ensembles(lineages)
    greedy = choose_greedily(probabilities, labels_N)
    known = {frozenset(ensemble.members) for ensemble in ensembles}
    if len(greedy) > 1 and frozenset(greedy) not in known:
        ensembles.append(Ensemble("ensemble-greedy", "greedy", greedy))
    described = [_describe_ensemble(own, probabilities, labels_N) for own in ensembles]
    best = _best({name: scores[name] for name in sorted(scores)})
    best_of_lineage = {
        lineage: _best({name: scores[name] for name in models})
        for lineage, models in lineages.items()
    }
    known_models = best_of_lineage | {lineage: models[0] for lineage, models in packed.items()}
    write_json(
        selection,
        {
            "best": {"model": best, **_figures(scores[best])},
            "best_of_lineage": best_of_lineage,
            "cascades": [
                _describe_cascade(name, [(own, known_models[own]) for own in pair], logits_val)
                for name, pair in sorted(cascades.items())
            ],
            "compressed": sorted(packed),
            "ensembles": described,
            "models": {name: _figures(own) for name, own in scores.items()},
        },
    )


def find_models(logits_val: Path, wanted: Collection[str] | None = None) -> dict[str, list[str]]:
    """The model ids of each lineage, generations in order; `wanted` restricts the lineages."""
    lineages = {
        folder.name: [
            f"{folder.name}-{path.stem}"
            for path in sorted(folder.glob("g*.npz"), key=lambda path: int(path.stem[1:]))
        ]
        for folder in sorted(logits_val.glob("*"))
        if folder.is_dir() and (wanted is None or folder.name in wanted)
    }
    if not any(lineages.values()):
        raise InputError(f"{logits_val} has no logits: run the predict_val stages first")
    return {lineage: models for lineage, models in lineages.items() if models}


def read_probabilities(
    logits_val: Path, lineages: dict[str, list[str]], compared: dict[str, list[str]]
) -> tuple[Probabilities, NDArray[np.int64]]:
    """Every model's probabilities by id, and the labels [N]; those of `compared` are not kept.

    InputError unless all have the same clips in the same order. Of LRW's validation split a model
    takes 50 MB, so nothing else of it stays in memory.
    """
    probabilities: Probabilities = {}
    first: tuple[str, SavedLogits] | None = None
    for lineage, models in (lineages | compared).items():
        for model in models:
            saved = read_logits(_logits_file(logits_val, lineage, model))
            first = first or (model, saved)
            check_same_clips(first[1], saved, f"{first[0]} and {model} in {logits_val}")
            if lineage in lineages:
                probabilities[model] = softmax(saved.logits)
    assert first is not None  # find_models returns models
    return probabilities, first[1].labels


def _logits_file(logits_val: Path, lineage: str, model: str) -> Path:
    return logits_val / lineage / f"{model.removeprefix(lineage + '-')}.npz"


def _describe_ensemble(
    ensemble: Ensemble, probabilities: Probabilities, labels_N: NDArray[np.int64]
) -> dict[str, Any]:
    mean_NK = average(probabilities[name] for name in ensemble.members)
    return {
        "name": ensemble.name,
        "rule": ensemble.rule,
        "members": list(ensemble.members),
        **_figures(score(mean_NK, labels_N)),
    }


def _describe_cascade(
    name: str, models: Sequence[tuple[str, str]], logits_val: Path
) -> dict[str, Any]:
    """The cascade of a small and a large model, each as its lineage and its id."""
    small, large = (read_logits(_logits_file(logits_val, *model)) for model in models)
    cascade = find_cascade(small.logits, large.logits, small.labels)
    return {
        "name": name,
        "small": models[0][1],
        "large": models[1][1],
        "threshold": cascade.threshold,
        "leaves_val": round(float(cascade.leaves(small.logits).mean()), 6),
    }


def _best(scores: dict[str, tuple[float, float]]) -> str:
    """The best score's name; the earlier one of two equals."""
    names = iter(scores)
    best = next(names)
    for name in names:
        if beats(scores[name], scores[best]):
            best = name
    return best


def _figures(own: tuple[float, float]) -> dict[str, float]:
    return {"val_top1": round(own[0], 6), "val_nats": round(own[1], 6)}
