"""The tensor names of the authors' checkpoints, and ours for the same tensors."""

import re
from collections.abc import Callable

_FRONT = {"0": "conv", "1": "norm", "2": "act"}
_RESNET = {
    "conv1": "conv1",
    "bn1": "norm1",
    "relu1": "act1",
    "conv2": "conv2",
    "bn2": "norm2",
    "relu2": "act2",
    "downsample.0": "shortcut.0",
    "downsample.1": "shortcut.1",
}
_SHUFFLE = {"banch1": "shortcut", "banch2": "branch"}
_BRANCH = {
    "conv": "conv",
    "batchnorm": "norm",
    "relu": "act",
    "conv.0": "depth",
    "conv.1": "norm1",
    "conv.3": "act1",
    "conv.4": "point",
    "conv.5": "norm2",
    "conv.6": "act2",
}
_BLOCK = {"downsample": "residual", "relu": "act"}
_NETWORK = r"tcn\.(?:mb_ms_tcn|tcn_trunk)\.network\.(\d)\."
_DENSE = r"tcn\.tcn_trunk\.features\."
_LAYER = _DENSE + r"denseblock([1-4])\.denselayer([1-3])\."
_GATE = {"0": "down", "2": "up"}
_NET = {"0": "conv", "1": "norm"}
# Single-branch blocks of plain convolutions register their layers a second time, in one sequence.
_SECOND = {
    "0": (1, "conv"),
    "1": (1, "norm"),
    "3": (1, "act"),
    "5": (2, "conv"),
    "6": (2, "norm"),
    "8": (2, "act"),
}
_TRANSITION = {"conv": "conv", "norm": "norm", "prelu": "act"}


def _layer(block: str, layer: int, branch: str, part: str) -> str:
    return f"head.blocks.{block}.layer{layer}.branches.{branch}.{part}"


def _dense(block: str, layer: str, part: str) -> str:
    return f"head.blocks.{int(block) - 1}.layers.{int(layer) - 1}.{part}"


_RULES: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"frontend3D\.([012])\.(\w+)", lambda m: f"frontend.{_FRONT[m[1]]}.{m[2]}"),
    (r"tcn\.tcn_output\.(\w+)", lambda m: f"classifier.{m[1]}"),
    (
        rf"trunk\.layer([1-4])\.(\d)\.({'|'.join(map(re.escape, _RESNET))})\.(\w+)",
        lambda m: f"trunk.stages.{int(m[1]) - 1}.{m[2]}.{_RESNET[m[3]]}.{m[4]}",
    ),
    (
        r"trunk\.0\.(\d+)\.(banch[12])\.(\d)\.(\w+)",
        lambda m: f"trunk.units.{m[1]}.{_SHUFFLE[m[2]]}.{m[3]}.{m[4]}",
    ),
    (r"trunk\.1\.(\d)\.(\w+)", lambda m: f"trunk.last.{m[1]}.{m[2]}"),
    (
        _NETWORK + r"cbcr([01])_(\d)\.(conv\.[013456]|conv|batchnorm)\.([a-z_]+)",
        lambda m: _layer(m[1], int(m[2]) + 1, m[3], f"{_BRANCH[m[4]]}.{m[5]}"),
    ),
    (
        _NETWORK + r"(conv|batchnorm|relu)([12])\.(\w+)",
        lambda m: _layer(m[1], int(m[3]), "0", f"{_BRANCH[m[2]]}.{m[4]}"),
    ),
    (
        _NETWORK + r"net\.([013568])\.(\w+)",
        lambda m: _layer(m[1], _SECOND[m[2]][0], "0", f"{_SECOND[m[2]][1]}.{m[3]}"),
    ),
    (
        _NETWORK + r"(downsample|relu)\.(\w+)",
        lambda m: f"head.blocks.{m[1]}.{_BLOCK[m[2]]}.{m[3]}",
    ),
    (
        _DENSE + r"transition([0-3])\.(conv|norm|prelu)\.(\w+)",
        lambda m: f"head.blocks.{m[1]}.transition.{_TRANSITION[m[2]]}.{m[3]}",
    ),
    (_DENSE + r"norm5\.(\w+)", lambda m: f"head.norm.{m[1]}"),
    (
        _LAYER + r"cbcr0_se_([0-2])\.fc\.([02])\.(\w+)",
        lambda m: _dense(m[1], m[2], f"layer1.gates.{m[3]}.{_GATE[m[4]]}.{m[5]}"),
    ),
    (
        _LAYER + r"cbcr([01])_([0-2])\.net\.([01])\.(\w+)",
        lambda m: _dense(m[1], m[2], f"layer{int(m[3]) + 1}.branches.{m[4]}.{_NET[m[5]]}.{m[6]}"),
    ),
    (
        _LAYER + r"downsample\.(\w+)",
        lambda m: _dense(m[1], m[2], f"residual.{m[3]}"),
    ),
)


def rename_tensor(name: str) -> str | None:
    """Our name of an authors' tensor; None for a name that no authors' model has."""
    for pattern, ours in _RULES:
        match = re.fullmatch(pattern, name)
        if match is not None:
            return ours(match)
    return None
