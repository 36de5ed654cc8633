"""The running loss of an epoch: sums over clips, reduced over the processes."""

import torch
from torch import Tensor

from lipnet.train.processes import Processes


class RunningLoss:
    """Sums over an epoch's clips of the loss, the cross-entropy and the distillation term.

    Each process adds its own contributions; `reduce` moves them to the process of rank 0.
    """

    def __init__(self, processes: Processes, device: torch.device) -> None:
        self._processes = processes
        self._sums_3 = torch.zeros(3, dtype=torch.float64, device=device)

    def add(self, losses_3: Tensor, clips: int) -> None:
        """Add this process's contribution to a batch's mean losses [3], weighted by its clips."""
        self._sums_3 += clips * losses_3

    def reduce(self) -> Tensor:
        """The sums [3] over all processes. Rank 0 keeps them and the others restart at zero, so
        that a checkpoint of rank 0 is complete and another `reduce` counts nothing twice."""
        self._processes.all_reduce([self._sums_3])
        total_3 = self._sums_3.clone()
        if self._processes.rank != 0:
            self._sums_3.zero_()
        return total_3

    def mean(self, clips: int) -> list[float]:
        """The three losses per clip, over all processes."""
        means: list[float] = (self.reduce() / clips).tolist()
        return means

    def reset(self, sums_3: Tensor | None = None) -> None:
        """Start again from zero, or in rank 0 from the sums of a checkpoint."""
        self._sums_3.zero_()
        if sums_3 is not None and self._processes.rank == 0:
            self._sums_3.copy_(sums_3)
