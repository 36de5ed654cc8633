"""Logits of a model over a split: whole clips, centre crop, no gradient."""

import torch
from torch import Tensor, nn

from lipnet.data.augment import central_view
from lipnet.data.loader import ClipStore
from lipnet.train.recipe import Recipe

# N clips  K classes
EVAL_BATCH = 32


def predict_logits(
    model: nn.Module, clips: ClipStore, recipe: Recipe, *, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Logits [N, K] in float32 and labels [N], on the CPU, in the store's order.

    The model is put in eval mode and left as it was found.
    """
    was_training = model.training
    model.eval()
    logits: list[Tensor] = []
    labels: list[Tensor] = []
    with torch.inference_mode():
        for batch in clips.ordered(EVAL_BATCH):
            view = central_view(batch.to(device), recipe)
            logits.append(model(view.frames_BTHW, view.lengths_B).float().cpu())
            labels.append(batch.labels_B)
    model.train(was_training)
    return torch.cat(logits), torch.cat(labels)
