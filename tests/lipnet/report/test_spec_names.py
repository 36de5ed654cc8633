"""Specs as tables and figures name them."""

import pytest

from lipnet.report.spec_names import name_spec
from lipnet.spec import BACKBONES, HEADS
from tests.lipnet.specs import backbone_for, narrow_spec


@pytest.mark.parametrize("head", sorted(HEADS))
@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_every_architecture_has_a_name(backbone: str, head: str) -> None:
    backbone = backbone_for(head, backbone)
    first, second = name_spec(narrow_spec(backbone, head)).splitlines()
    assert first.startswith(BACKBONES[backbone].title)
    assert second.startswith(HEADS[head].title)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("resnet18 + mstcn_3x", "ResNet-18\nMS-TCN 3×"),
        ("resnet18_0.25x + tcn_0.5x + prelu", "ResNet-18 0.25×\nTCN 0.5× + prelu"),
        ("shufflenetv2_1x + dsmstcn_3x", "ShuffleNet v2 1×\nDS-MS-TCN 3×"),
        ("resnet34 + bgru_512", "ResNet-34\nBGRU 512"),
        ("densenet3d + bgru_256", "3D DenseNet\nBGRU 256"),
        ("vggm_mt_0.5x", "VGG-M MT 0.5×"),
        ("resnet18 + dctcn + swish + boundary", "ResNet-18\nDC-TCN + swish + boundary"),
    ],
)
def test_names_are_those_of_the_papers(spec: str, name: str) -> None:
    assert name_spec(spec) == name
