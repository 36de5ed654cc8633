"""Recipes of finished models: what two trainings that are compared have in common."""

from collections.abc import Mapping
from typing import Any

SEEDS = ("seed", "stream")
RECIPES_DIFFER = ", recipes differ"  # end of a comparison's question: not the teacher alone differs
TEACHING = ("alpha", "temperature", "distillation", "dkd_beta", "standardise")


def without_seed(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that repetitions of one training have in common."""
    return {name: value for name, value in recipe.items() if name not in SEEDS}


def without_teacher(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a model from scratch and a distilled one should have in common: neither the
    seed nor how a teacher is used."""
    return {name: value for name, value in without_seed(recipe).items() if name not in TEACHING}
