"""Checkpoints: everything needed to resume a training, written atomically."""

import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from lipnet.errors import InputError
from lipnet.files import write_atomic
from lipnet.train.history import EpochRecord

State = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """A training after `step` batches of the epoch that follows `history`.

    No random state is needed: random numbers are a function of that position. `facts` identify the
    training, `sums` [3] are the epoch's running loss, `average` the weights' running average.
    """

    facts: Mapping[str, Any]
    model: State
    optimiser: dict[str, Any]
    average: State
    best: State
    history: list[EpochRecord]
    step: int
    sums: Tensor


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint atomically: an earlier one stays until the new one is complete."""
    names = ("facts", "model", "optimiser", "average", "best", "step", "sums")
    content = {name: getattr(checkpoint, name) for name in names}
    content["history"] = [asdict(record) for record in checkpoint.history]
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with write_atomic(path) as temporary:
        # Written by pathlib, a full disk is an OSError; torch.save raises an error of its own.
        temporary.write_bytes(buffer.getbuffer())


def load_checkpoint(path: Path) -> Checkpoint | None:
    """The checkpoint at `path`, None if there is no file; InputError if it is not a checkpoint."""
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        records = cast(Sequence[dict[str, Any]], content.pop("history"))
        return Checkpoint(**content, history=[EpochRecord(**record) for record in records])
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path} is not a checkpoint of this version ({line}): "
            "delete it to train from the start"
        ) from None


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The differences between two trainings' facts, such as "recipe.lr was 0.1, is 0.2"."""
    before, after = _flatten(old), _flatten(new)
    names = sorted(name for name in before | after if before.get(name) != after.get(name))
    return [f"{name} was {before.get(name)}, is {after.get(name)}" for name in names]


def _flatten(facts: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in facts.items():
        inner = isinstance(value, Mapping)
        flat |= _flatten(value, f"{prefix}{key}.") if inner else {f"{prefix}{key}": value}
    return flat
