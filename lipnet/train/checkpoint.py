"""Everything needed to go on after an interruption, written whole or not at all."""

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
    """Where a training stood: after `step` batches of the epoch that follows `history`.

    Random choices are functions of that place, so it needs no generator's state. `facts` say which
    training it is; `sums` are the epoch's losses so far; `average` the weights' running average.
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
    """Write the checkpoint atomically; an earlier one stays until the new one is whole."""
    names = ("facts", "model", "optimiser", "average", "best", "step", "sums")
    content = {name: getattr(checkpoint, name) for name in names}
    content["history"] = [asdict(record) for record in checkpoint.history]
    whole = io.BytesIO()
    torch.save(content, whole)
    with write_atomic(path) as beside:
        beside.write_bytes(whole.getbuffer())  # a full disk is an OSError here, not torch's own


def load_checkpoint(path: Path) -> Checkpoint | None:
    """The checkpoint at `path`, None where there is none; InputError for a file that is none."""
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        records = cast(Sequence[dict[str, Any]], content.pop("history"))
        return Checkpoint(**content, history=[EpochRecord(**record) for record in records])
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path} is no checkpoint of this version ({line}); delete it to train from the start"
        ) from None


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between the facts of two trainings, a line each, such as "recipe.lr"."""
    before, after = _flatten(old), _flatten(new)
    names = sorted(name for name in before | after if before.get(name) != after.get(name))
    return [f"{name} was {before.get(name)}, is {after.get(name)}" for name in names]


def _flatten(facts: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in facts.items():
        inner = isinstance(value, Mapping)
        flat |= _flatten(value, f"{prefix}{key}.") if inner else {f"{prefix}{key}": value}
    return flat
