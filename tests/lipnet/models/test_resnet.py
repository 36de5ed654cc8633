"""The ResNet's strided shortcut: torch's own arithmetic, without torch's fault."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from lipnet.models.resnet import SparsePointConv

# Run apart: where it goes wrong, it takes the process with it.
TRAIN = """
import torch
from lipnet.models.build import build_model
from lipnet.spec import ModelSpec
torch.set_num_threads(2)
model = build_model(ModelSpec.parse("resnet18_0.125x + tcn_0.25x"), 2).train()
lengths_B = torch.tensor([18, 19])
for _ in range(10):
    model(torch.randn(2, 19, 112, 112), lengths_B).sum().backward()
print("whole")
"""


@pytest.mark.parametrize("side", [7, 8])
def test_a_strided_shortcut_is_torchs_convolution(side):
    conv = SparsePointConv(3, 4, stride=2).double()
    x_NCHW = torch.randn(5, 3, side, side, dtype=torch.float64, requires_grad=True)
    expected = F.conv2d(x_NCHW, conv.weight, stride=2)
    assert torch.allclose(conv(x_NCHW), expected, rtol=1e-12)
    inputs = (x_NCHW, conv.weight)
    grad = torch.randn_like(expected)
    for ours, torchs in zip(
        torch.autograd.grad(conv(x_NCHW), inputs, grad),
        torch.autograd.grad(expected, inputs, grad),
        strict=True,
    ):
        assert torch.allclose(ours, torchs, rtol=1e-12)


@pytest.mark.slow
def test_an_odd_number_of_frames_trains_on_two_threads():
    run = subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, text=True, check=False)
    assert run.stdout == "whole\n", run.stderr[-999:]
