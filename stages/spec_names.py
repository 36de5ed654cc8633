"""Specs as the paper writes them, for figures and tables."""

from lipnet.spec import BASE_CHANNELS, ModelSpec

TRUNKS = {"resnet18": "ResNet-18", "resnet34": "ResNet-34", "shufflenetv2": "ShuffleNet v2"}
HEADS = {"tcn": "TCN", "mstcn": "MS-TCN", "dstcn": "DS-TCN", "dsmstcn": "DS-MS-TCN"}


def name_spec(spec: str) -> str:
    """The spec as the paper writes it, backbone and head on two lines."""
    parsed = ModelSpec.parse(spec)
    plain = parsed.backbone.startswith("resnet") and parsed.width == 1
    trunk = TRUNKS[parsed.backbone] + ("" if plain else f" {parsed.width:g}×")
    head = f"{HEADS[parsed.head]} {parsed.head_width / BASE_CHANNELS:g}×"
    return f"{trunk}\n{' + '.join((head, *parsed.options))}"
