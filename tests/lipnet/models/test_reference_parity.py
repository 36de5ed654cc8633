"""Parity with the released models: stated weights and input give the authors' logits."""

import json
import math
import zlib

import numpy as np
import pytest
import torch

from lipnet.models.build import build_empty
from lipnet.models.reference_names import map_tensors, rename_tensor
from lipnet.models.weights import check_tensors
from lipnet.spec import ModelSpec

SPECS = {
    "lrw_resnet18_mstcn": "resnet18 + mstcn_3x + swish",
    "lrw_snv1x_tcn2x": "shufflenetv2_1x + tcn_2x + prelu",
    "lrw_snv1x_tcn1x": "shufflenetv2_1x + tcn_1x + prelu",
    "lrw_snv05x_tcn2x": "shufflenetv2_0.5x + tcn_2x + prelu",
    "lrw_snv05x_tcn1x": "shufflenetv2_0.5x + tcn_1x + prelu",
    "lrw_snv1x_dsmstcn3x": "shufflenetv2_1x + dsmstcn_3x",
}


def make_tensor(name, entry):
    """The stated weight of one released tensor, from its name, shape and kind."""
    if entry["dtype"] == "int64":
        return torch.zeros(entry["shape"], dtype=torch.int64)
    seed = np.random.PCG64(zlib.crc32(name.encode()))
    noise = np.random.Generator(seed).standard_normal(entry["shape"])
    if name.endswith("running_var"):
        value = 1 + 0.2 * np.abs(noise)
    elif name.endswith(("running_mean", "bias")):
        value = 0.1 * noise
    elif noise.ndim == 1:
        value = 0.25 + 0.05 * noise if entry["prelu"] else 1 + 0.1 * noise
    else:
        value = noise * math.sqrt(2 / math.prod(entry["shape"][1:]))
    return torch.from_numpy(np.asarray(value, dtype=entry["dtype"]))


def build_reference(root, checkpoint):
    """Our model of one released configuration, holding the stated weights in float64."""
    listed = json.loads((root / "checkpoints" / f"{checkpoint}.json").read_text())["tensors"]
    entries = {entry["name"]: entry for entry in listed}
    tensors = {
        ours: make_tensor(name, entries[name]) for name, ours in map_tensors(entries).items()
    }
    model = build_empty(ModelSpec.parse(SPECS[checkpoint]), 500).double()
    check_tensors(model.state_dict(), tensors, where=checkpoint)
    model.load_state_dict(tensors)
    return model.eval()


@pytest.mark.parametrize("checkpoint", sorted(SPECS))
@torch.inference_mode()
def test_logits_equal_the_authors(reference_root, checkpoint):
    expected_BK = np.load(reference_root / "checkpoints" / f"{checkpoint}.npz")["logits"]
    frames = np.random.Generator(np.random.PCG64(2021)).standard_normal((2, 1, 29, 88, 88))
    frames_BTHW, lengths_B = torch.from_numpy(frames[:, 0]), torch.tensor([29, 29])
    model = build_reference(reference_root, checkpoint)
    exact = np.abs(model(frames_BTHW, lengths_B).numpy() - expected_BK).max()
    single_BK = model.float()(frames_BTHW.float(), lengths_B)
    single = np.abs(single_BK.numpy() - expected_BK).max()
    spread = float(expected_BK.std())
    assert exact < 1e-7 * spread
    assert single < 1e-3 * spread


@pytest.mark.parametrize(
    ("released", "ours"),
    [
        ("frontend3D.0.weight", "frontend.conv.weight"),
        ("trunk.layer2.0.downsample.1.running_var", "trunk.stages.1.0.shortcut.1.running_var"),
        ("trunk.0.12.banch1.2.weight", "trunk.units.12.shortcut.2.weight"),
        ("trunk.1.1.bias", "trunk.last.1.bias"),
        (
            "tcn.mb_ms_tcn.network.2.cbcr1_2.conv.4.weight",
            "head.blocks.2.layer2.branches.2.point.weight",
        ),
        (
            "tcn.mb_ms_tcn.network.0.cbcr0_1.conv.bias",
            "head.blocks.0.layer1.branches.1.conv.bias",
        ),
        ("tcn.tcn_trunk.network.3.relu2.weight", "head.blocks.3.layer2.branches.0.act.weight"),
        ("tcn.tcn_output.bias", "classifier.bias"),
    ],
)
def test_a_released_name_has_one_of_ours(released, ours):
    assert rename_tensor(released) == ours


def test_an_unknown_name_is_told():
    with pytest.raises(ValueError, match=r"trunk\.fc\.weight"):
        rename_tensor("trunk.fc.weight")
