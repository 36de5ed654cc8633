"""BatchNorm's running statistics over a step that processes its batch as micro-batches."""

# C counters

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lipnet.train.processes import Processes


class RunningStatistics:
    """Running means and variances, updated once per step by the mean over its micro-batches, and
    the numbers of micro-batches that they have seen.

    Every micro-batch starts from the statistics before the step, so the result depends neither on
    the order of the micro-batches nor on the process of each. The batch statistics, with which
    BatchNorm normalises, are those of the micro-batch alone.
    """

    def __init__(self, model: nn.Module) -> None:
        norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
        buffers = [tensor for norm in norms for tensor in (norm.running_mean, norm.running_var)]
        self._current: list[Tensor] = [tensor for tensor in buffers if tensor is not None]
        counts = [norm.num_batches_tracked for norm in norms]
        self._counts: list[Tensor] = [count for count in counts if count is not None]
        self._before: list[Tensor] = []
        self._sums: list[Tensor] = []
        self._counts_before_C = torch.zeros(0)

    def start_step(self) -> None:
        """Remember the statistics before the step."""
        self._before = [tensor.clone() for tensor in self._current]
        self._sums = [tensor.new_zeros(tensor.shape) for tensor in self._current]
        if self._counts:
            self._counts_before_C = torch.stack(self._counts)

    def add(self, weight: float) -> None:
        """Add the statistics after a micro-batch of this weight, and restore those before it."""
        for current, before, total in zip(self._current, self._before, self._sums, strict=True):
            total.add_(current, alpha=weight)
            current.copy_(before)

    def finish_step(self, processes: Processes) -> None:
        """Set the statistics to the weighted mean over all micro-batches of all processes, and the
        counters to the number of all, in one call."""
        if not self._current:
            return
        # As floats, so that one call reduces everything; a step's counts are small and exact.
        seen_C = (torch.stack(self._counts) - self._counts_before_C).to(self._sums[0].dtype)
        processes.all_reduce([*self._sums, seen_C])
        for current, total in zip(self._current, self._sums, strict=True):
            current.copy_(total)
        counts_C = self._counts_before_C + seen_C.to(self._counts_before_C.dtype)
        for count, total in zip(self._counts, counts_C, strict=True):
            count.copy_(total)
