"""A model's outputs for a split: whole clips, centre crop, no gradient."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lipnet.data.augment import central_view
from lipnet.data.loader import ClipStore, ordered
from lipnet.inference.finite import check_finite
from lipnet.models.fold import fold_batchnorm
from lipnet.models.infer import infer_clips
from lipnet.recipe import Recipe

# N clips  K classes  D features
EVAL_BATCH = 32


def predict_logits(
    model: nn.Module,
    clips: ClipStore,
    recipe: Recipe,
    *,
    device: torch.device,
    name: str = "the model",
) -> tuple[Tensor, Tensor]:
    """Logits [N, K] in float32 and labels [N], on the CPU, in the store's order.

    The model is not changed: a copy in eval mode predicts, with its BatchNorms folded. `name` is
    what an error calls it. NonFiniteOutput if a logit is not finite.
    """
    return predict_each(fold_batchnorm(model), clips, recipe, device=device, name=name)


def predict_each(
    forward: Callable[..., Tensor],
    clips: ClipStore,
    recipe: Recipe,
    *,
    device: torch.device,
    name: str = "the model",
) -> tuple[Tensor, Tensor]:
    """The output of `forward` per clip [N, D] in float32, and labels [N], in the store's order.

    `forward` takes frames, lengths and word as a Lipreader does. NonFiniteOutput, with `name` and
    the clips, if an output is not finite.
    """
    outputs: list[Tensor] = []
    labels: list[Tensor] = []
    with torch.inference_mode():
        for batch in ordered(clips, EVAL_BATCH):
            view = central_view(batch, recipe, device=device)
            out_BD = infer_clips(forward, view.frames_BTHW, view.lengths_B, view.word_BT)
            outputs.append(out_BD.float().cpu())
            labels.append(batch.labels_B)
    outputs_ND = torch.cat(outputs)
    if not bool(torch.isfinite(outputs_ND).all()):
        check_finite(outputs_ND, clips.facts().clip_ids, model=name)
    return outputs_ND, torch.cat(labels)
