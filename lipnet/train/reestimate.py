"""BatchNorm's statistics measured again, for weights that are not those of training's steps."""

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from lipnet.data.augment import central_view
from lipnet.data.loader import ClipStore
from lipnet.models.efficientnet import StochasticDepth
from lipnet.recipe import Recipe

RANDOM = (_DropoutNd, StochasticDepth)  # layers that training draws from
MAX_CLIPS = 4096
BATCH = 32
Model = TypeVar("Model", bound=nn.Module)


def reestimate_batchnorm(
    model: Model,
    clips: ClipStore,
    recipe: Recipe,
    *,
    device: torch.device,
    through: Callable[[nn.Module], nn.Module] = lambda model: model,
) -> Model:
    """A copy in eval mode whose means and variances are the averages over batches of at most
    MAX_CLIPS training clips, seen as in evaluation, without dropout or stochastic depth.

    `through` gives the module that is called, as Form.through.
    """
    measured = copy.deepcopy(model).to(device).train()
    norms = [module for module in measured.modules() if isinstance(module, _BatchNorm)]
    for module in measured.modules():
        if isinstance(module, RANDOM):
            module.eval()
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average
    forward = through(measured)
    with torch.no_grad():
        for batch in clips.batches(_choose(clips, recipe)):
            view = central_view(batch.to(device), recipe)
            forward(view.frames_BTHW, view.lengths_B, view.word_BT)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return measured.eval()


def _choose(clips: ClipStore, recipe: Recipe) -> list[torch.Tensor]:
    """Shuffled batches of equal size, but for a split that has fewer clips than one."""
    chosen_N = clips.order(seed=recipe.stream_seed, epoch=0)[:MAX_CLIPS]
    batches = list(torch.split(chosen_N, BATCH))
    return batches[:-1] if len(batches) > 1 and len(batches[-1]) < BATCH else batches
