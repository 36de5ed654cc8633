"""The non-linearities a spec can name."""

from collections.abc import Callable

from torch import nn

ACTIVATIONS: dict[str, Callable[[int], nn.Module]] = {
    "relu": lambda channels: nn.ReLU(inplace=True),
    "prelu": lambda channels: nn.PReLU(channels),
    "swish": lambda channels: nn.SiLU(),
}


def make_activation(name: str, channels: int) -> nn.Module:
    """A fresh activation for `channels` channels; PReLU alone has weights, one a channel."""
    return ACTIVATIONS[name](channels)
