"""BatchNorm's statistics of a compressed model: kept or measured again, as validation chooses."""
# N clips  K classes

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lipnet.compress.compression import Compression
from lipnet.data.loader import ClipStore
from lipnet.inference.predict import predict_logits
from lipnet.measure.accuracy import topk
from lipnet.models.lipreader import Lipreader
from lipnet.recipe import Recipe
from lipnet.train.reestimate import reestimate_batchnorm

TRAIN, VAL = "train", "val"


@dataclass(frozen=True)
class Chosen:
    """A model to be stored, whether its BatchNorm statistics were measured again, and the logits
    [N, K] and labels [N] of its stored form on validation."""

    model: Lipreader
    measured_again: bool
    validation: tuple[Tensor, Tensor]

    @property
    def score(self) -> tuple[float, float]:
        """Top-1 and minus the loss on validation."""
        logits_NK, labels_N = self.validation
        top1 = topk(logits_NK.numpy(), labels_N.numpy(), 1).mean()
        return float(top1), -float(F.cross_entropy(logits_NK, labels_N))


def choose_statistics(
    model: Lipreader,
    compression: Compression,
    clips: Mapping[str, ClipStore],
    recipe: Recipe,
    *,
    device: torch.device,
) -> Chosen:
    """The model, or its copy with BatchNorm's statistics measured again for the stored weights if
    that is better on validation: a higher top-1, or the same and a lower loss."""
    stored = compression.apply(model)
    measured = reestimate_batchnorm(stored, clips[TRAIN], recipe, device=device).cpu()
    again = with_statistics(model, measured)
    candidates = [
        Chosen(
            own, own is again, predict_logits(stored.to(device), clips[VAL], recipe, device=device)
        )
        for own, stored in ((model, stored), (again, compression.apply(again)))
    ]
    return max(candidates, key=lambda own: own.score)


def with_statistics(model: Lipreader, measured: Lipreader) -> Lipreader:
    """A copy of the model with the other one's buffers."""
    changed = copy.deepcopy(model)
    changed.load_state_dict(dict(measured.named_buffers()), strict=False)
    return changed
