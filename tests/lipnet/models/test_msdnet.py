"""MSDNet: the published networks' weights, and their multiply-adds to each exit."""

from functools import partial

import pytest
import torch
from torch import nn

from lipnet.measure.cost import count_multiply_adds, count_parameters
from lipnet.models.blocks import convolve
from lipnet.models.build import build_empty
from lipnet.models.msdnet import CIFAR, IMAGENET, MSDNet, build_stages
from lipnet.models.packing import find_valid_frames
from lipnet.spec import BACKBONES, ModelSpec

# Counted with the public code; to an exit counts that exit alone.
CIFAR_MILLIONS = (15.0, 21.7, 28.8, 34.8, 41.7, 46.3, 51.9)
IMAGENET_MILLIONS = (337, 655, 950, 1173, 1262)
VALID = find_valid_frames(torch.tensor([1]), steps=1, device=torch.device("cpu"))


def make_cifar_stem():
    return convolve(3, CIFAR.channels, 3, act=nn.ReLU())


def make_imagenet_stem():
    conv = nn.Conv2d(3, IMAGENET.channels, 7, 2, 3)  # with a bias there
    norm = nn.BatchNorm2d(IMAGENET.channels)
    return nn.Sequential(conv, norm, nn.ReLU(), nn.MaxPool2d(3, 2, 1))


def compute(stem, trunk, linear, image):
    return linear(trunk(stem(image), VALID))


NETS = {
    "cifar": (CIFAR, make_cifar_stem, 32, 100, 3_067_960, CIFAR_MILLIONS),
    "imagenet": (IMAGENET, make_imagenet_stem, 224, 1000, 23_958_440, IMAGENET_MILLIONS),
}


@pytest.mark.parametrize("name", NETS)
def test_the_published_networks_have_their_weights(name):
    layout, make_stem, _, classes, weights, _ = NETS[name]
    with torch.device("meta"):
        stages, exits = build_stages(layout)
        linear = [nn.Linear(leave.features, classes) for leave in exits]
        net = nn.ModuleList([make_stem(), stages, *exits, *linear])
    assert count_parameters(net) == weights


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_a_trunk_of_fewer_stages_has_the_published_multiply_adds_to_its_exit(name):
    layout, make_stem, size, classes, _, millions = NETS[name]
    found = []
    for stages in range(1, 1 + len(layout.exits)):
        with torch.device("meta"):
            stem, trunk = make_stem().eval(), MSDNet(layout, stages=stages).eval()
            linear, image = nn.Linear(trunk.features, classes), torch.empty(1, 3, size, size)
        products = count_multiply_adds(partial(compute, stem, trunk, linear, image))
        found.append(products / 1e6)
    digits = 1 if name == "cifar" else 0
    assert tuple(round(own, digits) for own in found) == millions


@pytest.mark.slow
def test_the_trunk_has_the_last_exit_alone_without_the_option():
    plain, exiting = (
        build_empty(ModelSpec.parse(text), 5, device="meta")
        for text in ("msdnet + tcn_1x", "msdnet + tcn_1x + exits")
    )
    assert (plain.trunk.stem_channels, plain.trunk.features) == (16, 128)
    assert not hasattr(plain, "exits")
    assert len(exiting.exits) == len(BACKBONES["msdnet"].exits) == len(CIFAR.exits) - 1
