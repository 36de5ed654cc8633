"""The channel shuffle, for every type and layout of numbers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lipnet.models.shufflenetv2 import CHANNELS, interleave, shuffle

TYPES = (torch.float32, torch.float64, torch.bfloat16)


def make_halves(channels, dtype, channels_last):
    maps_NCHW = torch.arange(2 * 2 * channels * 6).view(2, 2 * channels, 2, 3).to(dtype)
    if channels_last:
        maps_NCHW = maps_NCHW.contiguous(memory_format=torch.channels_last)
    return maps_NCHW.chunk(2, 1)


@given(st.integers(1, 9), st.sampled_from(TYPES), st.booleans())
def test_interleave_takes_from_both_in_turn(channels, dtype, channels_last):
    left, right = make_halves(channels, dtype, channels_last)
    mixed = interleave(left, right)
    assert mixed.shape == (2, 2 * channels, 2, 3)
    assert torch.equal(mixed[:, ::2], left)
    assert torch.equal(mixed[:, 1::2], right)


@pytest.mark.parametrize("dtype", TYPES)
def test_shuffle_gives_the_halves_of_what_is_interleaved(dtype):
    left, right = make_halves(6, dtype, True)
    halves = shuffle(left, right)
    assert torch.equal(torch.cat(halves, 1), interleave(left, right))
    assert all(half.is_contiguous(memory_format=torch.channels_last) for half in halves)


def test_every_width_has_halves_that_divide_again():
    assert all(channels % 4 == 0 for widths in CHANNELS.values() for channels in widths)


def test_gradients_go_back_where_the_numbers_came_from():
    left, right = (half.clone().requires_grad_() for half in make_halves(4, torch.float64, True))
    weights = torch.randn(2, 8, 2, 3, dtype=torch.float64)
    (torch.cat(shuffle(left, right), 1) * weights).sum().backward()
    assert torch.equal(left.grad, weights[:, ::2])
    assert torch.equal(right.grad, weights[:, 1::2])
