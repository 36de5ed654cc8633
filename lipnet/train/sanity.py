"""Warnings about a training that is unlikely to work, before hours are spent on it."""

import math
from collections.abc import Iterator, Sequence

from lipnet.recipe import Recipe
from lipnet.train.history import EpochRecord

# Epochs after which a training loss that is no better than chance, and that has not fallen by this
# share since the first epoch, gets a warning.
LOSS_EPOCHS, MIN_FALL = 3, 0.01
CHANCE_EPOCHS = 6  # epochs after which a validation accuracy at chance gets a warning
MAX_RATES = {"adam": 1e-2, "adamw": 1e-2, "sgd": 1.0}  # for a batch of 32
MIN_RATE = 1e-7


def warn_before(recipe: Recipe) -> Iterator[str]:
    """Warnings about the recipe, before training."""
    # Usable rates scale with the square root of the batch for Adam, linearly for SGD.
    power = 1.0 if recipe.optimiser == "sgd" else 0.5
    max_rate = MAX_RATES[recipe.optimiser] * (recipe.batch / 32) ** power
    if recipe.lr > max_rate:
        yield (
            f"recipe.lr {recipe.lr:g} is high for {recipe.optimiser} and a batch of "
            f"{recipe.batch}: above {max_rate:.1g} training rarely converges"
        )
    if recipe.lr < MIN_RATE:
        yield f"recipe.lr {recipe.lr:g} is so low that the weights will hardly change"


def warn_after(history: Sequence[EpochRecord], *, classes: int, clips: int) -> Iterator[str]:
    """Warnings about the epochs so far; `clips` is the number of validation clips."""
    last = history[-1]
    chance_loss = math.log(classes)
    stuck = last.train_ce >= max(chance_loss, (1 - MIN_FALL) * history[0].train_ce)
    if len(history) == LOSS_EPOCHS and stuck:
        yield (
            f"the training loss does not fall: {history[0].train_ce:.3f} in the first epoch and "
            f"{last.train_ce:.3f} in epoch {LOSS_EPOCHS}, and guessing among {classes} labels "
            f"gives {chance_loss:.3f}; check the learning rate ({last.lr:g}) and that the crops "
            "show mouths"
        )
    chance = 1 / classes
    limit = chance + 2 * math.sqrt(chance * (1 - chance) / max(1, clips))
    if len(history) == CHANCE_EPOCHS and max(r.val_top1 for r in history) <= limit:
        yield (
            f"validation is at chance after {CHANCE_EPOCHS} epochs: {last.val_top1:.1%} of "
            f"{clips} clips, and guessing gives {chance:.1%} (up to {limit:.1%} by chance); check "
            "that training and validation hold the same kind of clips"
        )
