"""Recipes of finished models: what two trainings that are compared have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lipnet.recipe import OFF, Recipe

SEEDS = ("seed", "stream")
RECIPES_DIFFER = ", recipes differ"  # end of a comparison's question: not the teacher alone differs
TEACHING = ("alpha", "temperature", "distillation", "dkd_beta", "standardise")
PAPER_LOSS = ("distillation", "standardise", "temperature")  # at their defaults
COLUMNS = ("optimiser", "epochs", "temperature", "seed")  # of their own in Fit
# Their default changes nothing, or is the loss of the paper.
UNNAMED = frozenset((*OFF, *TEACHING, "ema"))
DEFAULTS = asdict(Recipe())


def without_seed(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that repetitions of one training have in common."""
    return {name: value for name, value in recipe.items() if name not in SEEDS}


def without_teacher(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a model from scratch and a distilled one should have in common: neither the
    seed nor how a teacher is used."""
    return {name: value for name, value in without_seed(recipe).items() if name not in TEACHING}


def find_differing(recipes: Sequence[Mapping[str, Any]]) -> list[str]:
    """The fields in which recipes differ."""
    names = sorted({name for recipe in recipes for name in recipe})
    return [name for name in names if len({str(recipe.get(name)) for recipe in recipes}) > 1]


def list_settings(
    recipe: Mapping[str, Any], alike: Sequence[Mapping[str, Any]], *, is_taught: bool
) -> tuple[str, ...]:
    """What sets a recipe apart from those of the same spec and training, and in a taught model a
    loss that is not the paper's: "field=value", without COLUMNS and what is off."""
    names = {*find_differing(alike), *(PAPER_LOSS if is_taught else ())} - {*COLUMNS}
    return tuple(
        f"{name}={format_setting(recipe[name])}"
        for name in sorted(names & set(recipe))
        if name not in UNNAMED or recipe[name] != DEFAULTS[name]
    )


def format_setting(value: object) -> str:
    """A recipe's value, as params.yaml writes it."""
    if isinstance(value, bool):
        return str(value).lower()  # as in params.yaml
    return f"{value:g}" if isinstance(value, float) else str(value)
