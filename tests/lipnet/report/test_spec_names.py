"""Specs as people read them in tables and figures."""

import pytest

from lipnet.models.build import HEADS, TRUNKS
from lipnet.report.spec_names import name_spec

WIDTHS = {"shufflenetv2": "_0.5x", "bgru": "_512", "blstm": "_256", "dctcn": ""}


@pytest.mark.parametrize("head", sorted(HEADS))
@pytest.mark.parametrize("trunk", sorted(TRUNKS))
def test_every_architecture_has_a_name(trunk: str, head: str) -> None:
    text = f"{trunk}{WIDTHS.get(trunk, '')} + {head}{WIDTHS.get(head, '_3x')}"
    assert len(name_spec(text).splitlines()) == 2


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("resnet18 + mstcn_3x", "ResNet-18\nMS-TCN 3×"),
        ("resnet18_0.25x + tcn_0.5x + prelu", "ResNet-18 0.25×\nTCN 0.5× + prelu"),
        ("shufflenetv2_1x + dsmstcn_3x", "ShuffleNet v2 1×\nDS-MS-TCN 3×"),
        ("resnet34 + bgru_512", "ResNet-34\nBGRU 512"),
        ("densenet3d + bgru_256", "3D DenseNet\nBGRU 256"),
        ("resnet18 + dctcn + swish + boundary", "ResNet-18\nDC-TCN + swish + boundary"),
    ],
)
def test_names_are_those_of_the_papers(spec: str, name: str) -> None:
    assert name_spec(spec) == name
