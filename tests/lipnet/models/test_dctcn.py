"""The DC-TCN head: what the padding must not change in training, and its one PReLU."""

import pytest
import torch
from torch import nn

from lipnet.models.dctcn import DenseHead, Gate
from lipnet.models.packing import find_valid_frames


def train_head(steps):
    """Statistics and gradients of one training step on clips of 3 and 5 frames."""
    torch.manual_seed(5)
    head = DenseHead(6, channels=8, activation="swish").double().train()
    for module in head.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    lengths_B = torch.tensor([3, 5])
    valid = find_valid_frames(lengths_B, steps=steps, device=torch.device("cpu"))
    x_NC = torch.randn(8, 6, dtype=torch.float64, requires_grad=True)
    out_NC = head(x_NC, valid)
    assert out_NC.shape == (8, head.features)
    out_NC.square().sum().backward()
    gradients = {name: weight.grad for name, weight in head.named_parameters()}
    return {**dict(head.named_buffers()), **gradients, "input": x_NC.grad}


@pytest.mark.slow
def test_padding_changes_no_training_statistics_and_no_gradients():
    tight, loose = train_head(5), train_head(9)
    for name, value in tight.items():
        torch.testing.assert_close(loose[name], value, rtol=1e-9, atol=1e-9, msg=name)


@pytest.mark.parametrize("activation", ["relu", "swish"])
def test_only_the_first_transition_is_a_prelu(activation):
    with torch.device("meta"):
        head = DenseHead(512, channels=512, activation=activation)
    found = [name for name, module in head.named_modules() if isinstance(module, nn.PReLU)]
    assert found == ["blocks.0.transition.act"]
    assert head.features == 512 + 3 * 384


def test_a_gate_is_a_share_of_each_channel_of_each_clip():
    torch.manual_seed(1)
    gate = Gate(32, "swish").double()
    mean_BC = torch.randn(3, 32, dtype=torch.float64)
    hidden_BC = mean_BC @ gate.down.weight.T
    expected_BC = 1 / (1 + (-(hidden_BC * hidden_BC.sigmoid()) @ gate.up.weight.T).exp())
    assert hidden_BC.shape == (3, 2)
    torch.testing.assert_close(gate(mean_BC), expected_BC)
