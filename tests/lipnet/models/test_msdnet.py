"""MSDNet: the published networks' weights, and their multiply-adds to each exit."""

import pytest
import torch
from torch import nn

from lipnet.measure.cost import count_multiply_adds, count_parameters
from lipnet.models.blocks import convolve
from lipnet.models.build import build_empty
from lipnet.models.msdnet import CIFAR, IMAGENET, MultiScale, build_exit
from lipnet.spec import ModelSpec

# Counted with the public code; to an exit counts that exit alone.
COUNTS = {
    "cifar": (3_067_960, (15.0, 21.7, 28.8, 34.8, 41.7, 46.3, 51.9)),
    "imagenet": (23_958_440, (337, 655, 950, 1173, 1262)),
}


def make_net(name):
    """The stem, the scales and the exits of a published network."""
    layout, classes = {"cifar": (CIFAR, 100), "imagenet": (IMAGENET, 1000)}[name]
    if name == "cifar":
        stem = convolve(3, layout.channels, 3, act=nn.ReLU())
    else:
        conv = nn.Conv2d(3, layout.channels, 7, 2, 3)  # with a bias there
        norm = nn.BatchNorm2d(layout.channels)
        stem = nn.Sequential(conv, norm, nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    scales = MultiScale(layout)
    exits = nn.ModuleList(
        build_exit(inputs, layout).extend(
            (nn.AvgPool2d(2), nn.Flatten(), nn.Linear(layout.exit_channels or inputs, classes))
        )
        for inputs in scales.outputs
    )
    return nn.ModuleList((stem, scales, exits)).eval()


def count_output(part, taken):
    """The multiply-adds of a part, and what it gives."""
    given = []
    products = count_multiply_adds(lambda: given.append(part(taken)))
    return products, given[0]


@pytest.mark.parametrize(("name", "size"), [("cifar", 32), ("imagenet", 224)])
def test_weights_and_multiply_adds_to_each_exit(name, size):
    with torch.device("meta"):
        stem, scales, exits = net = make_net(name)
        image = torch.empty(1, 3, size, size)
    weights, millions = COUNTS[name]
    assert count_parameters(net) == weights
    products, maps = count_output(stem, image)
    shared, state = count_output(scales.spread, maps)
    products, found = products + shared, []
    for block, leave in zip(scales.blocks, exits, strict=True):
        shared, state = count_output(block, state)
        products += shared
        found.append((products + count_output(leave, state[-1])[0]) / 1e6)
    digits = 1 if name == "cifar" else 0
    assert tuple(round(own, digits) for own in found) == millions


def test_the_trunk_has_the_last_exit_alone():
    model = build_empty(ModelSpec.parse("msdnet + tcn_1x"), 5, device="meta")
    assert (model.trunk.stem_channels, model.trunk.features) == (16, 128)
