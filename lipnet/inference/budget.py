"""Budget: which part of a network of several widths, or with exits, to compute."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from lipnet.clip import CLIP_FRAMES
from lipnet.errors import InputError
from lipnet.measure.cost import cost_of
from lipnet.models.weights import ModelCard
from lipnet.recipe import Recipe
from lipnet.spec import ModelSpec

# States of a battery: the share of the whole network's GFLOPs that may be used.
BATTERY: Mapping[str, float] = MappingProxyType({"low": 0.25, "medium": 0.5, "high": 1.0})


class Part(NamedTuple):
    """What `load_model` takes of a weights file: a share of the channels, and the exit at which the
    network ends (0: none of them)."""

    width: float = 1.0
    exit: int = 0


WHOLE = Part()


def list_gflops(card: ModelCard) -> dict[Part, float]:
    """GFLOPs per clip of 29 frames, at the model's input size, of each part that the file has; of
    an ordinary file the whole alone."""
    spec, size = ModelSpec.parse(card.spec), Recipe.for_known_input(card.preprocessing).input_size
    exits = range(1, len(spec.exits) + 1)
    parts = [*(Part(width) for width in card.widths), *(Part(exit=number) for number in exits)]
    return {
        part: _count_gflops(spec.at_width(part.width).at_exit(part.exit), len(card.labels), size)
        for part in parts
    }


@cache
def _count_gflops(spec: ModelSpec, classes: int, size: int) -> float:
    return cost_of(spec, classes, frames=CLIP_FRAMES, size=size).gflops


def choose_part(
    card: ModelCard, *, budget: float | None = None, battery: str | None = None
) -> Part:
    """The largest part that costs at most `budget` GFLOPs per clip; InputError if none does.

    Or that costs at most the share in BATTERY for a state of the battery, low, medium or high; the
    cheapest if none does. The whole if neither is given.

    >>> part = lipnet.choose_part(lipnet.load_card("weights.safetensors"), budget=0.2)
    >>> model, card = lipnet.load_model("weights.safetensors", width=part.width, exit=part.exit)
    """
    if budget is not None and battery is not None:
        raise InputError("a budget and a state of the battery: give one of them")
    if budget is None and battery is None:
        return WHOLE
    costs = list_gflops(card)
    cheapest = min(costs.values())
    if battery is not None:
        if battery not in BATTERY:
            raise InputError(f"unknown battery {battery!r}; known: {', '.join(BATTERY)}")
        budget = max(BATTERY[battery] * costs[WHOLE], cheapest)
    fitting = [part for part, gflops in costs.items() if budget is not None and gflops <= budget]
    if not fitting:
        raise InputError(
            f"a budget of {budget:g} GFLOPs per clip: {card.spec} takes at least {cheapest:.3f}"
        )
    return max(fitting, key=lambda part: costs[part])
