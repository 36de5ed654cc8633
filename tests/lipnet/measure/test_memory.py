"""Peak activation memory against cases that can be computed by hand."""

import pytest
import torch
from torch import nn

from lipnet.errors import InputError
from lipnet.measure.memory import peak_activation_bytes, peak_memory_of
from lipnet.models.build import build_model
from lipnet.spec import ModelSpec

FLOAT = 4  # bytes


class Residual(nn.Module):
    """Holds what it was given to the end: three tensors of one size live while the last is made."""

    def forward(self, x):
        y = x * 2
        z = y + 1
        return z + y


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(
    ("model", "peak"),
    [
        (nn.Linear(4, 8), 3 * 8),
        (nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), 3 * (8 + 8)),
        (nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 2)), 3 * (8 + 2)),
        (nn.Sequential(nn.Linear(4, 8), nn.Unflatten(1, (2, 4)), nn.Flatten()), 3 * 8),
        (Residual(), 3 * 4 * 3),
    ],
    ids=["one layer", "a copy", "in place", "views", "held"],
)
def test_peak_is_the_maximum_of_living_tensors(model, peak, device):
    x_NC = torch.zeros(3, 4, device=device)
    assert peak_activation_bytes(model.to(device), x_NC) == FLOAT * peak


def test_weights_buffers_and_inputs_are_not_counted():
    model = nn.Sequential(nn.Flatten(), nn.ReLU(inplace=True))
    assert peak_activation_bytes(model, torch.zeros(3, 4)) == 0


def test_a_shufflenets_peak_is_its_front_ends():
    frames, size, channels = 29, 88, 24
    stacked = frames * 5 * size * size
    one_map = frames * channels * (size // 2) ** 2
    peak_bytes = peak_memory_of(ModelSpec.parse("shufflenetv2_0.5x + tcn_1x"), 500)
    by_hand = FLOAT * (stacked + 2 * one_map)  # the convolution's output and its BatchNorm's
    assert by_hand <= peak_bytes <= by_hand + 1000  # and BatchNorm's statistics


@pytest.mark.parametrize("text", ["shufflenetv2_0.5x + dsmstcn_0.75x", "densenet3d + bgru_8"])
def test_a_forward_that_computes_holds_as_much(text):
    spec = ModelSpec.parse(text)
    clip = (torch.zeros(1, 4, 32, 32), torch.tensor([4]), torch.ones(1, 4))
    computed = peak_activation_bytes(build_model(spec, 9).eval(), *clip)
    assert peak_memory_of(spec, 9, frames=4, size=32) == pytest.approx(computed, rel=0.01)


def test_an_impossible_input_is_refused():
    with pytest.raises(InputError, match="0 frames"):
        peak_memory_of(ModelSpec.parse("resnet18 + tcn_1x"), 5, frames=0)
