"""BatchNorm's running averages over a step that goes through the model in parts."""

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lipnet.train.processes import Processes


class RunningAverages:
    """Each part starts from the averages before the step, which ends with the parts' mean.

    So the result does not depend on the parts' order, nor on which process had which. BatchNorm's
    batch statistics are those of a part's own clips.
    """

    def __init__(self, model: nn.Module) -> None:
        norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
        kept = [tensor for norm in norms for tensor in (norm.running_mean, norm.running_var)]
        self._now: list[Tensor] = [tensor for tensor in kept if tensor is not None]
        self._before: list[Tensor] = []
        self._sums: list[Tensor] = []

    def begin(self) -> None:
        """A step begins."""
        self._before = [tensor.clone() for tensor in self._now]
        self._sums = [tensor.new_zeros(tensor.shape) for tensor in self._now]

    def add(self, weight: float) -> None:
        """A part with that share of the step's clips has gone through the model."""
        for now, before, total in zip(self._now, self._before, self._sums, strict=True):
            total.add_(now, alpha=weight)
            now.copy_(before)

    def end(self, processes: Processes) -> None:
        """All parts of all processes are through."""
        processes.add_up(self._sums)
        for now, total in zip(self._now, self._sums, strict=True):
            now.copy_(total)
