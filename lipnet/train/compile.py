"""torch.compile for training: trunk and head separately, for any number of frames."""

import copy

import torch
from torch import nn


def compile_parts(model: nn.Module, *, size: int) -> str:
    """Compile a Lipreader's trunk and head for training, in place; returns "" or why it failed.

    A copy is compiled first and run forward and backward, so that a model that cannot be compiled
    stays unchanged. The names of its tensors do not change.
    """
    trial = copy.deepcopy(model)
    _compile(trial)
    try:
        for lengths in ([5, 4], [7, 3]):
            frames_BTHW = next(model.parameters()).new_zeros(2, max(lengths), size, size)
            word_BT = frames_BTHW.new_zeros(2, max(lengths))
            trial(frames_BTHW, torch.tensor(lengths), word_BT).sum().backward()
    except Exception as error:  # each stage of the compiler has exceptions of its own
        return str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
    _compile(model)
    return ""


def _compile(model: nn.Module) -> None:
    for part in (model.trunk, model.head):
        assert isinstance(part, nn.Module)
        part.compile(dynamic=True)
