"""Each way of convolving over time is Conv1d, gradients included."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lipnet.models.temporal_conv import FEW, convolve_steps


def check_as_conv1d(conv, clips, steps):
    conv = conv.double()
    grid_BTC = torch.randn(clips, steps, conv.in_channels, dtype=torch.float64, requires_grad=True)
    wanted_BTC = conv(grid_BTC.transpose(1, 2)).transpose(1, 2)
    given_BTC = convolve_steps(conv, grid_BTC.transpose(1, 2))
    torch.testing.assert_close(given_BTC, wanted_BTC, rtol=0, atol=1e-10)
    ours = [grid_BTC, *conv.parameters()]
    wanted = torch.autograd.grad(wanted_BTC.square().sum(), ours)
    found = torch.autograd.grad(given_BTC.square().sum(), ours)
    for grad, expected in zip(found, wanted, strict=True):
        torch.testing.assert_close(grad, expected, rtol=1e-9, atol=1e-9)


@given(
    st.integers(1, 3),
    st.integers(1, 12),
    st.sampled_from([1, 3, 5, 7]),
    st.integers(1, 8),
    st.booleans(),
    st.booleans(),
)
def test_any_grid_and_kernel(clips, steps, kernel, dilation, depthwise, bias):
    conv = nn.Conv1d(
        6,
        6 if depthwise else 4,
        kernel,
        padding=(kernel - 1) // 2 * dilation,
        dilation=dilation,
        groups=6 if depthwise else 1,
        bias=bias,
    )
    check_as_conv1d(conv, clips, steps)


def test_a_clip_of_many_numbers():
    check_as_conv1d(nn.Conv1d(8, 3, 3, padding=2, dilation=2), 1, FEW // 8 + 1)
