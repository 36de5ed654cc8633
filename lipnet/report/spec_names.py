"""Specs as the paper writes them, for figures and tables."""

from lipnet.spec import BASE_CHANNELS, ModelSpec

TRUNKS = {
    "resnet18": "ResNet-18",
    "resnet34": "ResNet-34",
    "shufflenetv2": "ShuffleNet v2",
    "densenet3d": "3D DenseNet",
}
SCALED = {"tcn": "TCN", "mstcn": "MS-TCN", "dstcn": "DS-TCN", "dsmstcn": "DS-MS-TCN"}
RECURRENT = {"bgru": "BGRU", "blstm": "BLSTM"}


def name_spec(spec: str) -> str:
    """The spec as the paper writes it, backbone and head on two lines."""
    parsed = ModelSpec.parse(spec)
    plain = parsed.backbone != "shufflenetv2" and parsed.width == 1
    trunk = TRUNKS[parsed.backbone] + ("" if plain else f" {parsed.width:g}×")
    return f"{trunk}\n{' + '.join((_name_head(parsed), *parsed.options))}"


def _name_head(spec: ModelSpec) -> str:
    if spec.head in SCALED:
        return f"{SCALED[spec.head]} {spec.head_width / BASE_CHANNELS:g}×"
    return f"{RECURRENT[spec.head]} {spec.head_width}" if spec.head in RECURRENT else "DC-TCN"
