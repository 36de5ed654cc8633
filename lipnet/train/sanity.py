"""Early warnings: what a person would want to hear before the hours are spent."""

import math
from collections.abc import Iterator, Sequence

from lipnet.recipe import Recipe
from lipnet.train.history import EpochRecord

STILL_EPOCHS = 3  # after which a loss no better than guessing is worth a warning
CHANCE_EPOCHS = 6  # after which a validation at chance is
HIGHEST_RATES = {"adam": 1e-2, "adamw": 1e-2, "sgd": 1.0}  # for a batch of 32
LOWEST_RATE = 1e-7


def warn_before(recipe: Recipe) -> Iterator[str]:
    """What looks wrong before anything is trained."""
    # Adam's rates go with the square root of the batch, SGD's with the batch itself.
    power = 1.0 if recipe.optimiser == "sgd" else 0.5
    highest = HIGHEST_RATES[recipe.optimiser] * (recipe.batch / 32) ** power
    if recipe.lr > highest:
        yield (
            f"recipe.lr {recipe.lr:g} is high for {recipe.optimiser} and a batch of "
            f"{recipe.batch}: above {highest:.1g} training rarely holds"
        )
    if recipe.lr < LOWEST_RATE:
        yield f"recipe.lr {recipe.lr:g} is so low that the weights will hardly move"


def warn_after(history: Sequence[EpochRecord], *, classes: int, clips: int) -> Iterator[str]:
    """What looks wrong after the last epoch so far; `clips` of validation, `classes` labels."""
    last = history[-1]
    guessing = math.log(classes)
    if len(history) == STILL_EPOCHS and last.train_ce >= guessing:
        yield (
            f"the training loss does not move: {last.train_ce:.3f} after {STILL_EPOCHS} epochs, "
            f"where guessing among {classes} labels gives {guessing:.3f}; is the learning rate "
            f"{last.lr:g} right, do the crops show mouths?"
        )
    chance = 1 / classes
    within = chance + 2 * math.sqrt(chance * (1 - chance) / max(1, clips))
    if len(history) == CHANCE_EPOCHS and max(r.val_top1 for r in history) <= within:
        yield (
            f"validation is at chance after {CHANCE_EPOCHS} epochs: {last.val_top1:.1%} of "
            f"{clips} clips, where guessing gives {chance:.1%} (up to {within:.1%} by luck); do "
            "training and validation hold the same kind of clips?"
        )
