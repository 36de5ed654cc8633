"""Specs as the paper writes them, for figures and tables."""

from lipnet.spec import HEADS, ModelSpec, find_backbone


def name_spec(spec: str) -> str:
    """The spec as the paper writes it, backbone and head on two lines; one line without a head."""
    parsed = ModelSpec.parse(spec)
    backbone = find_backbone(parsed.backbone).name(parsed.width)
    if parsed.takes_clip:
        return backbone
    head = HEADS[parsed.head].name(parsed.head_width)
    return f"{backbone}\n{' + '.join((head, *parsed.options))}"
