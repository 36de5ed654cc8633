"""The temporal heads: TCN, MS-TCN, DS-TCN and DS-MS-TCN are one block with different kernels."""
# B batch  T steps  N valid frames of the whole batch  C channels

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lipnet.models.activation import make_activation
from lipnet.models.packing import ValidFrames
from lipnet.models.temporal_conv import convolve_steps

DILATIONS = (1, 2, 4, 8)
DROPOUT = 0.2


@dataclass(frozen=True)
class HeadKind:
    """Branch kernels, and whether convolutions are depthwise separable (paper, Fig. 2)."""

    kernels: tuple[int, ...]
    separable: bool


KINDS = {
    "tcn": HeadKind((3,), separable=False),
    "mstcn": HeadKind((3, 5, 7), separable=False),
    "dstcn": HeadKind((3,), separable=True),
    "dsmstcn": HeadKind((3, 5, 7), separable=True),
}


class PointConv(nn.Conv1d):
    """A convolution of kernel 1, applied to packed frames as a matrix product."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool) -> None:
        super().__init__(inputs, outputs, 1, bias=bias)

    def forward(self, x_NC: Tensor) -> Tensor:
        """[N, inputs] -> [N, outputs]."""
        return F.linear(x_NC, self.weight.squeeze(2), self.bias)


class Branch(nn.Module):
    """One kernel size: convolution, BatchNorm over valid frames, activation."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int, dilation: int, activation: str
    ) -> None:
        super().__init__()
        extent = (kernel - 1) // 2 * dilation
        self.conv = nn.Conv1d(inputs, outputs, kernel, padding=extent, dilation=dilation)
        self.norm = nn.BatchNorm1d(outputs)
        self.act = make_activation(activation, outputs)

    def forward(self, grid_BCT: Tensor, valid: ValidFrames) -> Tensor:
        """Zero-padded [B, inputs, T] -> packed [N, outputs]."""
        y_NC = valid.pack(convolve_steps(self.conv, grid_BCT))
        out_NC: Tensor = self.act(self.norm(y_NC))
        return out_NC


class SeparableBranch(nn.Module):
    """One kernel size, depthwise then pointwise, each with BatchNorm and activation."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int, dilation: int, activation: str
    ) -> None:
        super().__init__()
        extent = (kernel - 1) // 2 * dilation
        self.depth = nn.Conv1d(
            inputs, inputs, kernel, padding=extent, dilation=dilation, groups=inputs, bias=False
        )
        self.norm1 = nn.BatchNorm1d(inputs)
        self.act1 = make_activation(activation, inputs)
        self.point = PointConv(inputs, outputs, bias=False)
        self.norm2 = nn.BatchNorm1d(outputs)
        self.act2 = make_activation(activation, outputs)

    def forward(self, grid_BCT: Tensor, valid: ValidFrames) -> Tensor:
        """Zero-padded [B, inputs, T] -> packed [N, outputs]."""
        y_NC = self.act1(self.norm1(valid.pack(convolve_steps(self.depth, grid_BCT))))
        out_NC: Tensor = self.act2(self.norm2(self.point(y_NC)))
        return out_NC


class Layer(nn.Module):
    """The branches of one dilated convolution, in parallel, then dropout."""

    def __init__(
        self, inputs: int, outputs: int, *, kind: HeadKind, dilation: int, activation: str
    ) -> None:
        super().__init__()
        branch = SeparableBranch if kind.separable else Branch
        share = outputs // len(kind.kernels)
        self.branches = nn.ModuleList(
            branch(inputs, share, kernel=kernel, dilation=dilation, activation=activation)
            for kernel in kind.kernels
        )
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x_NC: Tensor, valid: ValidFrames) -> Tensor:
        """Packed [N, inputs] -> packed [N, outputs]; the only layer that mixes frames."""
        grid_BCT = valid.unpack(x_NC).transpose(1, 2)
        outs = [branch(grid_BCT, valid) for branch in self.branches]
        out_NC: Tensor = self.dropout(outs[0] if len(outs) == 1 else torch.cat(outs, 1))
        return out_NC


class Block(nn.Module):
    """Two layers of one dilation, the input added, activation.

    With several branches there is always a 1x1 residual convolution, even if the shapes agree: the
    paper's parameter counts need it. With one branch there is one only if the widths differ.
    """

    def __init__(
        self, inputs: int, outputs: int, *, kind: HeadKind, dilation: int, activation: str
    ) -> None:
        super().__init__()
        self.layer1 = Layer(inputs, outputs, kind=kind, dilation=dilation, activation=activation)
        self.layer2 = Layer(outputs, outputs, kind=kind, dilation=dilation, activation=activation)
        self.residual: nn.Module = nn.Identity()
        if len(kind.kernels) > 1 or inputs != outputs:
            self.residual = PointConv(inputs, outputs, bias=True)
        self.act = make_activation(activation, outputs)

    def forward(self, x_NC: Tensor, valid: ValidFrames) -> Tensor:
        """Packed [N, inputs] -> packed [N, outputs]."""
        y_NC = self.layer2(self.layer1(x_NC, valid), valid)
        out_NC: Tensor = self.act(y_NC + self.residual(x_NC))
        return out_NC


class TemporalHead(nn.Module):
    """Four blocks, dilation 1, 2, 4, 8, "same" padding, not causal."""

    classifies_frames = False

    def __init__(self, name: str, inputs: int, *, channels: int, activation: str) -> None:
        super().__init__()
        self.features = channels
        self.blocks = nn.ModuleList()
        for dilation in DILATIONS:
            kind = KINDS[name]
            block = Block(inputs, channels, kind=kind, dilation=dilation, activation=activation)
            self.blocks.append(block)
            inputs = channels

    def forward(self, x_NC: Tensor, valid: ValidFrames) -> Tensor:
        """Packed [N, inputs] -> packed [N, features]."""
        for block in self.blocks:
            x_NC = block(x_NC, valid)
        return x_NC
