"""The tensor names of the released 2021 checkpoints, and ours for the same tensors."""

import re
from collections.abc import Callable, Iterable

from lipnet.errors import InputError

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


def _layer(block: str, layer: int, branch: str, part: str) -> str:
    return f"head.blocks.{block}.layer{layer}.branches.{branch}.{part}"


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
        _NETWORK + r"cbcr([01])_(\d)\.(conv\.\d|conv|batchnorm)\.([a-z_]+)",
        lambda m: _layer(m[1], int(m[2]) + 1, m[3], f"{_BRANCH[m[4]]}.{m[5]}"),
    ),
    (
        _NETWORK + r"(conv|batchnorm|relu)([12])\.(\w+)",
        lambda m: _layer(m[1], int(m[3]), "0", f"{_BRANCH[m[2]]}.{m[4]}"),
    ),
    (
        _NETWORK + r"(downsample|relu)\.(\w+)",
        lambda m: f"head.blocks.{m[1]}.{_BLOCK[m[2]]}.{m[3]}",
    ),
)
# Single-branch blocks register their layers a second time under this name.
_SECOND_NAME = re.compile(_NETWORK + r"net\.\d\.\w+")


def rename_tensor(name: str) -> str:
    """Our name of a released tensor; an InputError for a name that no released model has."""
    for pattern, ours in _RULES:
        match = re.fullmatch(pattern, name)
        if match is not None:
            return ours(match)
    raise InputError(f"tensor {name!r} is in none of the released models that can be read")


def map_tensors(names: Iterable[str]) -> dict[str, str]:
    """Released name -> our name, second names of the same tensor left out."""
    return {name: rename_tensor(name) for name in names if not _SECOND_NAME.fullmatch(name)}
