"""The processes that train one model, and their collective operations."""

import warnings
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

Value = TypeVar("Value")


class Processes(Protocol):
    """The processes that train together; all call the same collectives in the same order."""

    rank: int
    world_size: int

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model that training calls: its gradients are averaged over the processes."""
        ...

    def no_sync(self, wrapped: nn.Module) -> AbstractContextManager[None]:
        """A context whose backward passes accumulate gradients without exchanging them."""
        ...

    def all_reduce(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over the processes, in place."""
        ...

    def broadcast(self, value: Value) -> Value:
        """The value of the process of rank 0, in all processes."""
        ...


class OneProcess:
    """A single process: every collective is the identity."""

    rank = 0
    world_size = 1

    def wrap(self, model: nn.Module) -> nn.Module:
        return model

    def no_sync(self, wrapped: nn.Module) -> AbstractContextManager[None]:
        return nullcontext()

    def all_reduce(self, tensors: Iterable[Tensor]) -> None:
        return

    def broadcast(self, value: Value) -> Value:
        return value


class ProcessGroup:
    """torch.distributed's default group, already initialised, with DistributedDataParallel."""

    def __init__(self) -> None:
        self.rank = dist.get_rank()
        self.world_size = dist.get_world_size()

    def wrap(self, model: nn.Module) -> nn.Module:
        with warnings.catch_warnings():
            # torch 2.13 has a new name for this argument, which 2.11 does not know.
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
            # The step itself averages BatchNorm's running statistics (train/batchnorm.py).
            # Without device_ids it leaves the inputs where they are: the lengths on the CPU.
            return DistributedDataParallel(model, broadcast_buffers=False)

    def no_sync(self, wrapped: nn.Module) -> AbstractContextManager[None]:
        if not isinstance(wrapped, DistributedDataParallel):
            return nullcontext()
        context: AbstractContextManager[None] = wrapped.no_sync()
        return context

    def all_reduce(self, tensors: Iterable[Tensor]) -> None:
        alike: dict[torch.dtype, list[Tensor]] = {}
        for tensor in tensors:
            alike.setdefault(tensor.dtype, []).append(tensor)
        for own in alike.values():  # one call for all of them: each costs a round between GPUs
            flat = torch.cat([tensor.flatten() for tensor in own])
            dist.all_reduce(flat)
            sums = torch.split(flat, [tensor.numel() for tensor in own])
            for tensor, total in zip(own, sums, strict=True):
                tensor.copy_(total.view(tensor.shape))

    def broadcast(self, value: Value) -> Value:
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]
