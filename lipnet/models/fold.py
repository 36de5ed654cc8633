"""Folds BatchNorm into the convolution before it: the same numbers in fewer passes."""
# C channels

import copy
from itertools import pairwise
from typing import TypeVar

from torch import nn

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear
Norm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
Module = TypeVar("Module", bound=nn.Module)


def fold_batchnorm(model: Module) -> Module:
    """A frozen copy for inference, without the BatchNorms that follow a convolution.

    A BatchNorm is folded into the convolution (or linear layer) that is declared right before it in
    the same module if that has as many outputs; every other one stays.
    """
    folded = copy.deepcopy(model).eval().requires_grad_(False)
    for module in list(folded.modules()):
        for (_, before), (name, norm) in pairwise(list(module.named_children())):
            if not isinstance(before, Convolution) or not isinstance(norm, Norm):
                continue
            if before.weight.shape[0] == norm.num_features:
                _fold(before, norm)
                setattr(module, name, nn.Identity())
    return folded


def _fold(conv: Convolution, norm: Norm) -> None:
    """Set the convolution's weight and bias so that it alone computes what both did."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight = conv.weight
    scale_C = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    shift_C = norm.bias.double() - norm.running_mean.double() * scale_C
    if conv.bias is not None:
        shift_C = shift_C + conv.bias.double() * scale_C
    scaled = weight.double() * scale_C.view(-1, *(1 for _ in weight.shape[1:]))
    conv.weight = nn.Parameter(scaled.to(weight.dtype), requires_grad=False)
    conv.bias = nn.Parameter(shift_C.to(weight.dtype), requires_grad=False)
