"""Optimisers and learning-rate schedules by name."""

import math
from collections.abc import Callable

import torch
from torch import nn

from lipnet.recipe import Recipe

Optimiser = torch.optim.Optimizer


def _adamw(model: nn.Module, recipe: Recipe) -> Optimiser:
    return torch.optim.AdamW(
        model.parameters(), recipe.lr, weight_decay=recipe.weight_decay, fused=True
    )


def _adam(model: nn.Module, recipe: Recipe) -> Optimiser:
    return torch.optim.Adam(
        model.parameters(), recipe.lr, weight_decay=recipe.weight_decay, fused=True
    )


def _sgd(model: nn.Module, recipe: Recipe) -> Optimiser:
    return torch.optim.SGD(
        model.parameters(), recipe.lr, momentum=0.9, weight_decay=recipe.weight_decay
    )


_BUILDERS: dict[str, Callable[[nn.Module, Recipe], Optimiser]] = {
    "adamw": _adamw,
    "adam": _adam,
    "sgd": _sgd,
}


def build_optimiser(model: nn.Module, recipe: Recipe) -> Optimiser:
    """The recipe's optimiser over all of the model's parameters."""
    return _BUILDERS[recipe.optimiser](model, recipe)


def learning_rate(recipe: Recipe, epoch: int, *, progress: float = 0.0) -> float:
    """The learning rate at `progress` (0..1) through `epoch` (from 0): constant within an epoch
    for cosine and cosine_lagged, updated every step for the others."""
    return recipe.lr * _FACTORS[recipe.schedule](recipe, epoch, progress)


def _cosine(recipe: Recipe, epoch: int, progress: float) -> float:
    if epoch < recipe.warmup_epochs:
        return (epoch + 1) / (recipe.warmup_epochs + 1)
    done = (epoch - recipe.warmup_epochs) / (recipe.epochs - recipe.warmup_epochs)
    return 0.5 * (1 + math.cos(math.pi * done))


def _cosine_lagged(recipe: Recipe, epoch: int, progress: float) -> float:
    # The authors' code steps its schedule one epoch late: epochs 0 and 1 have the same rate.
    return _cosine(recipe, max(epoch - 1, 0), progress)


def _cosine_by_step(recipe: Recipe, epoch: int, progress: float) -> float:
    now = epoch + progress
    if now < recipe.warmup_epochs:
        return now / recipe.warmup_epochs
    done = (now - recipe.warmup_epochs) / (recipe.epochs - recipe.warmup_epochs)
    return 0.5 * (1 + math.cos(math.pi * done))


def _one_cycle(recipe: Recipe, epoch: int, progress: float) -> float:
    done = (epoch + progress) / recipe.epochs
    rising = 0.3
    if done < rising:
        return 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * done / rising))
    return 0.5 * (1 + math.cos(math.pi * (done - rising) / (1 - rising)))


def _exponential(recipe: Recipe, epoch: int, progress: float) -> float:
    factor: float = recipe.last_rate ** ((epoch + progress) / recipe.epochs)
    return factor


def _constant(recipe: Recipe, epoch: int, progress: float) -> float:
    return 1.0


_FACTORS: dict[str, Callable[[Recipe, int, float], float]] = {
    "cosine": _cosine,
    "cosine_lagged": _cosine_lagged,
    "cosine_by_step": _cosine_by_step,
    "one_cycle": _one_cycle,
    "exponential": _exponential,
    "constant": _constant,
}
