"""Parts that several efficient trunks share: convolution with BatchNorm, squeeze-excite, widths."""
# N valid frames of the whole batch  C channels  H W pixels

from torch import Tensor, nn


def convolve(
    inputs: int,
    outputs: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    groups: int = 1,
    act: nn.Module | None = None,
) -> nn.Sequential:
    """Convolution without bias, padded by (kernel - 1) / 2, BatchNorm, and `act` if given."""
    layers = nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )
    return layers if act is None else layers.append(act)


def round_channels(channels: float, divisor: int) -> int:
    """The nearest multiple of `divisor`, or the next one if that is below 0.9 of `channels`
    (Sandler et al., MobileNetV2, CVPR 2018, and the networks after it)."""
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * channels else nearest


class SqueezeExcite(nn.Module):
    """Scales each channel by a gate that the means of all channels give (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int, squeezed: int, *, act: nn.Module, gate: nn.Module) -> None:
        super().__init__()
        self.gates = nn.Sequential(
            nn.Conv2d(channels, squeezed, 1), act, nn.Conv2d(squeezed, channels, 1), gate
        )

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape."""
        gates_NC11: Tensor = self.gates(maps_NCHW.mean((2, 3), keepdim=True))
        return maps_NCHW * gates_NC11
