"""Convolutions over time on a CPU: three ways to compute it, of which the fastest is used."""
# B batch  T steps  C channels

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# For a clip of at most this many numbers, torch uses a slow loop for a dilated convolution.
FEW = 20480


def convolve_steps(conv: nn.Conv1d, grid_BCT: Tensor) -> Tensor:
    """[B, C, T] -> [B, T, outputs] by a convolution that keeps the steps ("same" padding).

    The grid is a transposed [B, T, C]: Conv1d would copy it, and its result must be transposed.
    """
    # An exported graph has a dynamic number of steps, and its runtime chooses its own kernels.
    if grid_BCT.device.type == "cpu" and not torch.compiler.is_exporting():
        if conv.groups > 1:
            return _convolve_depthwise(conv, grid_BCT)
        if len(grid_BCT) == 1 and grid_BCT.numel() <= FEW:
            return _convolve_clip(conv, grid_BCT)
    out_BCT: Tensor = conv(grid_BCT)
    return out_BCT.transpose(1, 2)


def _extent(conv: nn.Conv1d) -> int:
    """Steps on either side that a convolution uses."""
    return (conv.kernel_size[0] - 1) // 2 * conv.dilation[0]


def _convolve_depthwise(conv: nn.Conv1d, grid_BCT: Tensor) -> Tensor:
    """As a convolution of maps one pixel high, which torch computes without a copy."""
    out_BC1T = F.conv2d(
        grid_BCT.unsqueeze(2),
        conv.weight.unsqueeze(2),
        conv.bias,
        padding=(0, _extent(conv)),
        dilation=(1, conv.dilation[0]),
        groups=conv.groups,
    )
    return out_BC1T.squeeze(2).transpose(1, 2)


def _convolve_clip(conv: nn.Conv1d, grid_1CT: Tensor) -> Tensor:
    """As one matrix product: a row per step, with the steps under the kernel as its columns."""
    steps, extent, dilation = grid_1CT.shape[2], _extent(conv), conv.dilation[0]
    padded_TC = F.pad(grid_1CT[0].t(), (0, 0, extent, extent))
    seen = [padded_TC[start : start + steps] for start in range(0, 2 * extent + 1, dilation)]
    columns_TC = torch.stack(seen, 2).flatten(1)
    return F.linear(columns_TC, conv.weight.flatten(1), conv.bias).unsqueeze(0)
