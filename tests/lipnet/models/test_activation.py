"""PReLU's own backward is torch's, to the bit; gradcheck agrees."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lipnet.models.activation import PReLU, make_activation


def run(layer, x, grad):
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    out = layer(x)
    out.backward(grad)
    return out.detach(), x.grad, layer.weight.grad


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=3),
    st.integers(1, 20),
    st.booleans(),
    st.integers(0, 99),
)
def test_values_and_gradients_equal_torchs(shape, channels, channels_last, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn((shape[0], channels, *shape[1:]), generator=generator).round(decimals=1)
    if channels_last and x.dim() == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    grad = torch.randn(x.shape, generator=generator)
    ours, torchs = PReLU(channels), nn.PReLU(channels)
    nn.init.normal_(ours.weight, generator=generator)
    torchs.load_state_dict(ours.state_dict())
    given_out, given_grad, given_slopes = run(ours, x, grad)
    out, grad_x, grad_slopes = run(torchs, x, grad)
    assert torch.equal(given_out, out)
    assert torch.equal(given_grad, grad_x)
    torch.testing.assert_close(given_slopes, grad_slopes, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 4), (2, 3, 2, 2)])
def test_gradcheck(shape):
    layer = PReLU(3).double()
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.autograd.gradcheck(
        lambda x, weight: torch.func.functional_call(layer, {"weight": weight}, x),
        (x.requires_grad_(), layer.weight),
    )


def test_a_specs_prelu_is_this_one_and_counts_as_torchs():
    layer = make_activation("prelu", 7)
    assert isinstance(layer, PReLU)
    assert isinstance(layer, nn.PReLU)
    assert layer.weight.shape == (7,)
