"""Specs as the paper writes them, for figures and tables."""

from lipnet.spec import BACKBONES, HEADS, ModelSpec


def name_spec(spec: str) -> str:
    """The spec as the paper writes it, backbone and head on two lines."""
    parsed = ModelSpec.parse(spec)
    backbone = BACKBONES[parsed.backbone].name(parsed.width)
    head = HEADS[parsed.head].name(parsed.head_width)
    return f"{backbone}\n{' + '.join((head, *parsed.options))}"
