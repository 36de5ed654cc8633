"""The non-linearities a spec can name."""
# N rows  C channels  ... other dimensions

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class PReLU(nn.PReLU):
    """nn.PReLU with the same values and gradients, with a backward pass that takes a third of the
    time on a CPU: torch's branches on each number and is not vectorised."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, ...] -> the same shape."""
        if torch.compiler.is_exporting():  # some runtimes lack PReLU, others compute it slowly
            slopes_C = self.weight.view(-1, *(1 for _ in range(2, x.dim())))
            return nn.functional.relu(x) - slopes_C * nn.functional.relu(-x)
        slow = x.device.type == "cpu" and torch.is_grad_enabled()
        if slow and not torch.compiler.is_compiling():
            out: Tensor = _PReLU.apply(x, self.weight)  # type: ignore[no-untyped-call]
            return out
        return super().forward(x)


class _PReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slopes_C: Tensor) -> Tensor:
        ctx.save_for_backward(x, slopes_C)
        return nn.functional.prelu(x, slopes_C)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, slopes_C = ctx.saved_tensors
        others = range(2, x.dim())
        grad_above = torch.ops.aten.threshold_backward(grad, x, 0)  # 0 for x <= 0
        grad_below = grad - grad_above
        grad_x = grad_above.addcmul_(grad_below, slopes_C.view(-1, *(1 for _ in others)))
        return grad_x, grad_below.mul_(x).sum((0, *others))


ACTIVATIONS: dict[str, Callable[[int], nn.Module]] = {
    "relu": lambda channels: nn.ReLU(inplace=True),
    "prelu": lambda channels: PReLU(channels),
    "swish": lambda channels: nn.SiLU(),
}


def make_activation(name: str, channels: int) -> nn.Module:
    """A fresh activation for `channels` channels; only PReLU has weights, one per channel."""
    return ACTIVATIONS[name](channels)
