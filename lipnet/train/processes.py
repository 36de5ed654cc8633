"""How many processes train one model, and what they tell each other."""
# R rows of a part

import warnings
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lipnet.data.stream import ALONE, Share

Told = TypeVar("Told")


class Processes(Protocol):
    """The processes that train together; each calls the same methods in the same order."""

    share: Share

    def wrap(self, model: nn.Module, device: torch.device) -> nn.Module:
        """The model as training calls it: gradients become the mean over the processes."""
        ...

    def hold(self, wrapped: nn.Module, *, last: bool) -> AbstractContextManager[None]:
        """Where a backward runs: before the `last` of a step nothing is sent."""
        ...

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Each tensor becomes its sum over the processes."""
        ...

    def tell(self, value: Told) -> Told:
        """The first process's value, in all of them."""
        ...


class OneProcess:
    """This one alone: nothing to send."""

    share = ALONE

    def wrap(self, model: nn.Module, device: torch.device) -> nn.Module:
        return model

    def hold(self, wrapped: nn.Module, *, last: bool) -> AbstractContextManager[None]:
        return nullcontext()

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        return

    def tell(self, value: Told) -> Told:
        return value


class ProcessGroup:
    """torch.distributed's default group, which is running already (DistributedDataParallel)."""

    def __init__(self) -> None:
        self.share = Share(dist.get_rank(), dist.get_world_size())

    def wrap(self, model: nn.Module, device: torch.device) -> nn.Module:
        ids = [device.index or 0] if device.type == "cuda" else None
        with warnings.catch_warnings():
            # torch 2.13 has a newer name for it, which 2.11 does not know.
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
            # BatchNorm's running averages are added up by the step itself (train/step.py).
            return DistributedDataParallel(model, device_ids=ids, broadcast_buffers=False)

    def hold(self, wrapped: nn.Module, *, last: bool) -> AbstractContextManager[None]:
        if last or not isinstance(wrapped, DistributedDataParallel):
            return nullcontext()
        waiting: AbstractContextManager[None] = wrapped.no_sync()
        return waiting

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            dist.all_reduce(tensor)

    def tell(self, value: Told) -> Told:
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]
