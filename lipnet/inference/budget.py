"""Budget: which width of a weights file of several to compute with."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from lipnet.clip import CLIP_FRAMES
from lipnet.errors import InputError
from lipnet.measure.cost import cost_of
from lipnet.models.weights import ModelCard
from lipnet.recipe import Recipe
from lipnet.spec import ModelSpec

# States of a battery: the share of the widest one's GFLOPs that may be used.
BATTERY: Mapping[str, float] = MappingProxyType({"low": 0.25, "medium": 0.5, "high": 1.0})


def list_gflops(card: ModelCard) -> dict[float, float]:
    """GFLOPs per clip of 29 frames, at the model's input size, by width; the widest first."""
    spec, size = ModelSpec.parse(card.spec), Recipe.for_known_input(card.preprocessing).input_size
    return {
        width: _count_gflops(spec.at_width(width), len(card.labels), size) for width in card.widths
    }


@cache
def _count_gflops(spec: ModelSpec, classes: int, size: int) -> float:
    return cost_of(spec, classes, frames=CLIP_FRAMES, size=size).gflops


def choose_width(
    card: ModelCard, *, budget: float | None = None, battery: str | None = None
) -> float:
    """The widest width that costs at most `budget` GFLOPs per clip; InputError if none does.

    Or that costs at most the share in BATTERY for a state of the battery, low, medium or high; the
    narrowest if none does. `load_model` takes the result. An ordinary file has the width 1 alone.

    >>> card = lipnet.load_card("weights.safetensors")
    >>> width = lipnet.choose_width(card, budget=0.2)
    >>> model, card = lipnet.load_model("weights.safetensors", width=width)
    """
    if budget is not None and battery is not None:
        raise InputError("a budget and a state of the battery: give one of them")
    if budget is None and battery is None:
        return 1.0
    costs = list_gflops(card)
    narrowest = min(costs, key=lambda width: costs[width])
    if battery is not None:
        if battery not in BATTERY:
            raise InputError(f"unknown battery {battery!r}; known: {', '.join(BATTERY)}")
        budget = max(BATTERY[battery] * costs[1.0], costs[narrowest])
    fitting = [width for width, gflops in costs.items() if budget is not None and gflops <= budget]
    if not fitting:
        raise InputError(
            f"a budget of {budget:g} GFLOPs per clip: {card.spec} takes at least "
            f"{costs[narrowest]:.3f}"
        )
    return max(fitting)
