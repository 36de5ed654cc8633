"""Checkpoints: everything needed to resume a training, written atomically, by a thread."""

import io
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from lipnet.device import copy_to_host
from lipnet.errors import InputError
from lipnet.files import write_atomic
from lipnet.train.history import EpochRecord

State = dict[str, Tensor]
REPLACED = "best"  # the field whose tensors training never changes in place


def checkpoint_path(folder: Path) -> Path:
    """Where the training into a generation's folder keeps its checkpoint, next to it."""
    return folder.with_name(f"{folder.name}.checkpoint")


@dataclass(frozen=True)
class Checkpoint:
    """A training after `step` batches of the epoch that follows `history`.

    No random state is needed: random numbers are a function of that position. `facts` identify the
    training, `sums` [3] are the epoch's running loss, `average` the weights' running average.
    A later field has a default: files of earlier code are read, to be set aside for other facts.
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
    content = {own.name: getattr(checkpoint, own.name) for own in fields(checkpoint)}
    content["history"] = [asdict(record) for record in checkpoint.history]
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with write_atomic(path) as temporary:
        # Written by pathlib, a full disk is an OSError; torch.save raises an error of its own.
        temporary.write_bytes(buffer.getbuffer())


class CheckpointWriter:
    """Writes checkpoints to `path` by a thread, one after the other, while training continues.

    Use it as a context, which ends when the last checkpoint is complete. An error of the thread is
    raised by the next call.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pool = ThreadPoolExecutor(1, "checkpoint")
        self._pending: Future[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a checkpoint is being written."""
        return self._pending is not None and not self._pending.done()

    def write(self, checkpoint: Checkpoint) -> None:
        """Copy the tensors that training may change, and write them after the last write.

        On a CUDA device the copies are only queued: the host does not wait for them.
        """
        self.wait()
        found: list[Tensor] = []

        def note(tensor: Tensor) -> Tensor:
            found.append(tensor)
            return tensor

        # Dicts of its own: the optimiser's learning rate, too, changes while this is written.
        names = {own.name for own in fields(checkpoint)} - {REPLACED}
        now = _map_tensors({name: getattr(checkpoint, name) for name in sorted(names)}, note)
        copies = copy_to_host(found)

        def save() -> None:
            arrived = iter(copies.wait())
            copied = _map_tensors(now, lambda _: next(arrived))
            save_checkpoint(self._path, replace(checkpoint, **copied))

        self._pending = self._pool.submit(save)

    def wait(self) -> None:
        """Wait until nothing is being written."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def __enter__(self) -> "CheckpointWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown()
        if kind is None:  # else that exception is raised, and not the thread's
            self.wait()


def _map_tensors(tree: Any, function: Callable[[Tensor], Any]) -> Any:
    """The tree of dicts and lists with `function` of each tensor in its place."""
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, dict):
        return {key: _map_tensors(value, function) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_map_tensors(value, function) for value in tree]
    return tree


def load_checkpoint(path: Path) -> Checkpoint | None:
    """The checkpoint at `path`, None if there is no file; InputError if it is not a checkpoint."""
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        records = cast(Sequence[dict[str, Any]], content.pop("history"))
        return Checkpoint(**content, history=[EpochRecord(**record) for record in records])
    except Exception as error:  # a damaged pickle can raise anything
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
