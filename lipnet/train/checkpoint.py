"""Everything needed to go on after an interruption, written once an epoch, whole or not at all."""

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from lipnet.files import write_atomic
from lipnet.train.history import EpochRecord

State = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """Where training stood at the end of its last finished epoch."""

    fingerprint: str
    model: State
    optimiser: dict[str, Any]
    best: State
    history: list[EpochRecord]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint atomically; an earlier one stays until the new one is whole."""
    content = {
        "fingerprint": checkpoint.fingerprint,
        "model": checkpoint.model,
        "optimiser": checkpoint.optimiser,
        "best": checkpoint.best,
        "history": [asdict(record) for record in checkpoint.history],
    }
    whole = io.BytesIO()
    torch.save(content, whole)
    with write_atomic(path) as beside:
        beside.write_bytes(whole.getbuffer())  # a full disk is an OSError here, not torch's own


def load_checkpoint(path: Path, *, fingerprint: str) -> Checkpoint | None:
    """The checkpoint at `path` if it is of this very training, else None."""
    if not path.exists():
        return None
    content = torch.load(path, map_location="cpu", weights_only=True)
    if content["fingerprint"] != fingerprint:
        return None
    records = cast(Sequence[dict[str, Any]], content["history"])
    return Checkpoint(
        fingerprint,
        content["model"],
        content["optimiser"],
        content["best"],
        [EpochRecord(**record) for record in records],
    )
