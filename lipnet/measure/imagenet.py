"""The networks that efficient trunks were published as: ImageNet classifiers, and their figures.

The trunks here have the lipreading front end in place of the published stem. Counted behind that
stem and with its classifier, a trunk has to give the published figures.
"""
# N images  C channels  H W pixels

from dataclasses import dataclass

import torch
from torch import nn

from lipnet.measure.cost import count_multiply_adds, count_parameters
from lipnet.models.blocks import convolve
from lipnet.models.build import BACKBONE_BUILDERS
from lipnet.models.packing import find_valid_frames
from lipnet.spec import ModelSpec

CLASSES = 1000
SIZE = 224  # pixels
GHOSTNET_HIDDEN = 1280  # channels between GhostNet's mean and its classifier, at every width


@dataclass(frozen=True)
class PublishedNet:
    """A network as its paper prints it: parameters / 1e6, multiply-adds / 1e9, top-1 in percent
    ("-" and None if we have no figure); `source` is the paper's arXiv id.

    `hidden`: channels of a linear layer between mean and classifier. `pooled`: whether the stem
    ends with a max pooling.
    """

    backbone: str
    source: str
    params_m: str
    gmacs: str
    top1: float | None
    pooled: bool = False
    hidden: int | None = None


PUBLISHED_NETS = (
    PublishedNet("mobilenetv1_1x", "1704.04861", "4.2", "0.569", 70.6),
    PublishedNet("mobilenetv2_1x", "1801.04381", "3.4", "0.300", 72.0),
    PublishedNet("mobilenetv2_0.5x", "1801.04381", "-", "0.097", None),
    PublishedNet("efficientnetb0", "1905.11946", "5.3", "0.39", 77.1),
    PublishedNet("ghostnet_1x", "1911.11907", "5.2", "0.141", 73.9, hidden=GHOSTNET_HIDDEN),
    PublishedNet("ghostnet_0.5x", "1911.11907", "2.6", "0.042", None, hidden=GHOSTNET_HIDDEN),
    PublishedNet("shufflenetv1_2x", "1707.01083", "-", "0.524", None, pooled=True),
    PublishedNet("shufflenetv1_1.5x", "1707.01083", "-", "0.292", None, pooled=True),
    PublishedNet("shufflenetv1_1x", "1707.01083", "-", "0.137", 67.4, pooled=True),
    PublishedNet("shufflenetv1_0.5x", "1707.01083", "-", "0.038", None, pooled=True),
    PublishedNet("shufflenetv1_0.25x", "1707.01083", "-", "0.013", None, pooled=True),
)


@dataclass(frozen=True)
class ImageCost:
    """Parameters and multiply-adds of an ImageNet classifier, per image of 224 x 224 pixels."""

    params: int
    multiply_adds: int


def count_image_classifier(net: PublishedNet) -> ImageCost:
    """Our trunk with the stem (3x3, stride 2) and the classifier of its published network."""
    spec = ModelSpec.parse(f"{net.backbone} + tcn_1x")
    with torch.device("meta"):
        trunk = BACKBONE_BUILDERS[spec.backbone](spec)
        assert isinstance(trunk, nn.Module)
        stem = convolve(3, trunk.stem_channels, 3, stride=2, act=nn.ReLU())
        if net.pooled:
            stem.append(nn.MaxPool2d(3, 2, 1))
        sizes = [trunk.features, *([net.hidden] if net.hidden else []), CLASSES]
        linear = [nn.Linear(*pair) for pair in zip(sizes, sizes[1:], strict=False)]
    classifier = nn.Sequential(*linear)
    net_parts = nn.ModuleList((stem, trunk, classifier)).eval()
    images_NCHW = torch.empty(1, 3, SIZE, SIZE, device="meta")
    valid = find_valid_frames(torch.tensor([1]), steps=1, device=images_NCHW.device)
    multiply_adds = count_multiply_adds(lambda: classifier(trunk(stem(images_NCHW), valid)))
    return ImageCost(count_parameters(net_parts), multiply_adds)
