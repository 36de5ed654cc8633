"""The DC-TCN head: densely connected temporal convolutions with squeeze and excitation.

Ma, Wang, Shen, Petridis, Pantic, "Lip-reading with densely connected temporal convolutional
networks", WACV 2021. What the paper does not specify was chosen to reproduce the logits of the
authors' models.
"""
# B batch  T steps  N valid frames of the whole batch  C channels

import torch
from torch import Tensor, nn

from lipnet.models.activation import make_activation
from lipnet.models.packing import ValidFrames
from lipnet.models.tcn import DROPOUT, KINDS, Branch, Layer, PointConv

KIND = KINDS["mstcn"]  # kernels 3, 5 and 7 in parallel
DILATIONS = (1, 2, 5)  # of a block's three layers
BLOCKS = 4
GROWTH = 384  # channels that a layer adds to its input
SQUEEZE = 16  # a gate's hidden layer is its channels over this


class Gate(nn.Module):
    """Squeeze and excitation: a factor in (0, 1) per channel of a clip, from its mean frame."""

    def __init__(self, channels: int, activation: str) -> None:
        super().__init__()
        hidden = max(1, channels // SQUEEZE)
        self.down = nn.Linear(channels, hidden, bias=False)
        self.act = make_activation(activation, hidden)
        self.up = nn.Linear(hidden, channels, bias=False)

    def forward(self, mean_BC: Tensor) -> Tensor:
        """[B, channels] -> the same shape."""
        return torch.sigmoid(self.up(self.act(self.down(mean_BC))))


class GatedLayer(nn.Module):
    """The branches of one dilated convolution, each after its own gate, then dropout."""

    def __init__(self, inputs: int, *, dilation: int, activation: str) -> None:
        super().__init__()
        share = GROWTH // len(KIND.kernels)
        self.gates = nn.ModuleList(Gate(inputs, activation) for _ in KIND.kernels)
        self.branches = nn.ModuleList(
            Branch(inputs, share, kernel=kernel, dilation=dilation, activation=activation)
            for kernel in KIND.kernels
        )
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x_NC: Tensor, valid: ValidFrames) -> Tensor:
        """Packed [N, inputs] -> packed [N, GROWTH]; a gate depends on its own clip only."""
        grid_BCT = valid.unpack(x_NC).transpose(1, 2)
        mean_BC = valid.mean(x_NC)
        outs = [
            branch(grid_BCT * gate(mean_BC).unsqueeze(2), valid)
            for gate, branch in zip(self.gates, self.branches, strict=True)
        ]
        out_NC: Tensor = self.dropout(torch.cat(outs, 1))
        return out_NC


class DenseLayer(nn.Module):
    """A gated and a plain layer of one dilation, the input's projection added, activation."""

    def __init__(self, inputs: int, *, dilation: int, activation: str) -> None:
        super().__init__()
        self.layer1 = GatedLayer(inputs, dilation=dilation, activation=activation)
        self.layer2 = Layer(GROWTH, GROWTH, kind=KIND, dilation=dilation, activation=activation)
        self.residual = PointConv(inputs, GROWTH, bias=True)
        self.act = make_activation(activation, GROWTH)

    def forward(self, x_NC: Tensor, valid: ValidFrames) -> Tensor:
        """Packed [N, inputs] -> packed [N, inputs + GROWTH]: the input, then the new ones."""
        y_NC = self.layer2(self.layer1(x_NC, valid), valid)
        return torch.cat((x_NC, self.act(y_NC + self.residual(x_NC))), 1)


class Transition(nn.Module):
    """A 1x1 convolution to fewer channels, BatchNorm, activation."""

    def __init__(self, inputs: int, outputs: int, activation: str) -> None:
        super().__init__()
        self.conv = PointConv(inputs, outputs, bias=False)
        self.norm = nn.BatchNorm1d(outputs)
        self.act = make_activation(activation, outputs)

    def forward(self, x_NC: Tensor) -> Tensor:
        """Packed [N, inputs] -> packed [N, outputs]."""
        out_NC: Tensor = self.act(self.norm(self.conv(x_NC)))
        return out_NC


class DenseBlock(nn.Module):
    """A transition to `channels`, then three dense layers, each adding GROWTH to them."""

    def __init__(self, transition: Transition, channels: int, activation: str) -> None:
        super().__init__()
        self.transition = transition
        self.layers = nn.ModuleList()
        for dilation in DILATIONS:
            self.layers.append(DenseLayer(channels, dilation=dilation, activation=activation))
            channels += GROWTH
        self.features = channels

    def forward(self, x_NC: Tensor, valid: ValidFrames) -> Tensor:
        """Packed [N, inputs] -> packed [N, features]."""
        x_NC = self.transition(x_NC)
        for layer in self.layers:
            x_NC = layer(x_NC, valid)
        return x_NC


class DenseHead(nn.Module):
    """Four blocks, each reduced to `channels` before it grows again; BatchNorm at the end."""

    classifies_frames = False

    def __init__(self, inputs: int, *, channels: int, activation: str) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        self.features = inputs
        for index in range(BLOCKS):
            # The authors' models have a PReLU here; their other activations are Swish.
            chosen = "prelu" if index == 0 else activation
            transition = Transition(self.features, channels, chosen)
            block = DenseBlock(transition, channels, activation)
            self.blocks.append(block)
            self.features = block.features
        self.norm = nn.BatchNorm1d(self.features)

    def forward(self, x_NC: Tensor, valid: ValidFrames) -> Tensor:
        """Packed [N, inputs] -> packed [N, features]."""
        for block in self.blocks:
            x_NC = block(x_NC, valid)
        out_NC: Tensor = self.norm(x_NC)
        return out_NC
