"""RunningAverage: an exponential moving average of a model's weights and buffers."""

import copy

import torch
from torch import Tensor, nn

State = dict[str, Tensor]


class RunningAverage:
    """`decay` of the average before the step plus the rest of the model after it; after the first
    step, the model itself. BatchNorm's statistics do not fit averaged weights, whose activations
    vary less than those of each step: measure them again (`reestimate_batchnorm`).

    torch's AveragedModel computes the same, but keeps its number of steps on the CPU and copies it
    to a GPU at each step, for which the host waits.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model)
        self._decay = decay
        self._is_empty = True

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Include the model's state after another step."""
        own, new = _tensors(self.model), _tensors(model)
        pairs = list(zip(own, new, strict=True))
        if self._is_empty:
            for average, tensor in pairs:
                average.copy_(tensor)
            self._is_empty = False
            return
        real = [pair for pair in pairs if pair[0].is_floating_point()]
        torch._foreach_lerp_([a for a, _ in real], [t for _, t in real], 1 - self._decay)
        for average, tensor in pairs:
            if not average.is_floating_point():  # BatchNorm's counts of batches
                average.copy_(average * self._decay + tensor * (1 - self._decay))

    def load(self, state: State) -> None:
        """Continue from the state of another average's model."""
        self.model.load_state_dict(state)
        self._is_empty = False


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]
