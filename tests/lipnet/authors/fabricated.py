"""Released checkpoints as they are, but for their numbers: true names and shapes, stated weights.

reference/<config>.json holds a public configuration and, nested by the dots of the names, every
tensor of its released file: "[prelu ]<dtype> <shape>[ = <first name of the same tensor>]".
reference/logits.npz holds what the authors' code gives for the weights and frames made here.
"""

import json
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

REFERENCE = Path(__file__).parent / "reference"
CONFIGS = tuple(sorted(path.stem for path in REFERENCE.glob("*.json")))
SPECS = {
    "lrw_resnet18_dctcn": "resnet18 + dctcn + swish",
    "lrw_resnet18_dctcn_boundary": "resnet18 + dctcn + swish + boundary",
    "lrw_resnet18_mstcn": "resnet18 + mstcn_3x + swish",
    "lrw_snv05x_tcn1x": "shufflenetv2_0.5x + tcn_1x + prelu",
    "lrw_snv05x_tcn2x": "shufflenetv2_0.5x + tcn_2x + prelu",
    "lrw_snv1x_dsmstcn3x": "shufflenetv2_1x + dsmstcn_3x",
    "lrw_snv1x_tcn1x": "shufflenetv2_1x + tcn_1x + prelu",
    "lrw_snv1x_tcn2x": "shufflenetv2_1x + tcn_2x + prelu",
}


@dataclass(frozen=True)
class Entry:
    """One tensor of a released file."""

    dtype: str
    shape: tuple[int, ...]
    prelu: bool
    same_as: str


def read_config(name: str) -> dict[str, Any]:
    """A public configuration's settings."""
    settings: dict[str, Any] = json.loads((REFERENCE / f"{name}.json").read_text())["config"]
    return settings


def read_entries(name: str) -> dict[str, Entry]:
    """Every tensor of a public configuration's released file."""
    listed = json.loads((REFERENCE / f"{name}.json").read_text())["tensors"]
    return {".".join(path): parse_entry(leaf) for path, leaf in _leaves(listed)}


def parse_entry(leaf: str) -> Entry:
    facts, _, same_as = leaf.partition(" = ")
    prelu = facts.startswith("prelu ")
    dtype, *shape = facts.removeprefix("prelu ").split()
    return Entry(dtype, tuple(map(int, shape)), prelu, same_as)


def make_state(name: str) -> dict[str, Tensor]:
    """The stated weights of a public configuration, each from its name, shape and kind."""
    entries = read_entries(name)
    own = {each: make_tensor(each, entry) for each, entry in entries.items() if not entry.same_as}
    return {each: own[entry.same_as or each] for each, entry in entries.items()}


def make_tensor(name: str, entry: Entry) -> Tensor:
    if entry.dtype == "int64":
        return torch.zeros(entry.shape, dtype=torch.int64)
    seed = np.random.PCG64(zlib.crc32(name.encode()))
    noise = np.random.Generator(seed).standard_normal(entry.shape)
    if name.endswith("running_var"):
        value = 1 + 0.2 * np.abs(noise)
    elif name.endswith(("running_mean", "bias")):
        value = 0.1 * noise
    elif noise.ndim == 1:
        value = 0.25 + 0.05 * noise if entry.prelu else 1 + 0.1 * noise
    else:
        value = noise * math.sqrt(2 / math.prod(entry.shape[1:]))
    return torch.from_numpy(np.asarray(value, dtype=entry.dtype))


def make_frames() -> tuple[Tensor, Tensor, Tensor]:
    """Normalised frames of two clips, their lengths, and the frames of the word in each."""
    frames = np.random.Generator(np.random.PCG64(2021)).standard_normal((2, 29, 88, 88))
    word_BT = torch.zeros(2, 29)
    word_BT[0, 8:21] = word_BT[1, 10:19] = 1
    return torch.from_numpy(frames), torch.tensor([29, 29]), word_BT


def read_logits(name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What the authors' code gives for these weights and frames: [2, 500]."""
    with np.load(REFERENCE / "logits.npz") as logits:
        return logits[name]


def write_released(folder: Path, name: str, **changes: Tensor | None) -> tuple[Path, Path]:
    """A released file and its configuration; `changes` replaces tensors or, if None, drops them."""
    state = {**make_state(name), **changes}
    checkpoint, config = folder / f"{name}.pth", folder / f"{name}.json"
    held = {each: tensor for each, tensor in state.items() if tensor is not None}
    torch.save({"model_state_dict": held}, checkpoint)
    config.write_text(json.dumps(read_config(name)))
    return checkpoint, config


def _leaves(tree: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[Any, str]]:
    for name, branch in tree.items():
        if isinstance(branch, str):
            yield (*path, name), branch
        else:
            yield from _leaves(branch, (*path, name))
