"""Parity with the released models: stated weights and input give the authors' logits."""

import numpy as np
import pytest
import torch

from lipnet.authors.names import rename_tensor
from lipnet.models.build import build_empty
from lipnet.models.weights import check_tensors
from lipnet.spec import ModelSpec
from tests.lipnet.authors.fabricated import (
    CONFIGS,
    SPECS,
    make_frames,
    make_state,
    read_entries,
    read_logits,
)

HEAVY = {name for name in CONFIGS if "resnet18" in name}
MARKED = [pytest.param(c, marks=[pytest.mark.slow] * (c in HEAVY)) for c in CONFIGS]


def build_reference(checkpoint):
    """Our model of one released configuration, holding the stated weights in float64."""
    tensors = {rename_tensor(name): tensor for name, tensor in make_state(checkpoint).items()}
    model = build_empty(ModelSpec.parse(SPECS[checkpoint]), 500).double()
    check_tensors(model.state_dict(), tensors, where=checkpoint)
    model.load_state_dict(tensors)
    return model.eval()


def test_all_eight_public_configurations_are_here():
    assert set(CONFIGS) == set(SPECS)
    assert len(CONFIGS) == 8


@pytest.mark.slow
@pytest.mark.parametrize("checkpoint", MARKED)
@torch.inference_mode()
def test_logits_equal_the_authors(checkpoint):
    expected_BK = read_logits(checkpoint)
    frames_BTHW, lengths_B, word_BT = make_frames()
    model = build_reference(checkpoint)
    exact = np.abs(model(frames_BTHW, lengths_B, word_BT).numpy() - expected_BK).max()
    single_BK = model.float()(frames_BTHW.float(), lengths_B, word_BT)
    single = np.abs(single_BK.numpy() - expected_BK).max()
    spread = float(expected_BK.std())
    assert exact < 1e-7 * spread
    assert single < 1e-3 * spread


@pytest.mark.parametrize("checkpoint", CONFIGS)
def test_every_released_tensor_has_a_place_in_the_model_of_its_shape(checkpoint):
    entries = read_entries(checkpoint)
    model = build_empty(ModelSpec.parse(SPECS[checkpoint]), 500, device="meta")
    found = {rename_tensor(name): tuple(entry.shape) for name, entry in entries.items()}
    assert found == {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for name, entry in entries.items():
        if entry.same_as:
            assert rename_tensor(name) == rename_tensor(entry.same_as)


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
        ("tcn.tcn_trunk.network.3.net.8.weight", "head.blocks.3.layer2.branches.0.act.weight"),
        (
            "tcn.tcn_trunk.features.denseblock2.denselayer3.cbcr0_se_1.fc.2.weight",
            "head.blocks.1.layers.2.layer1.gates.1.up.weight",
        ),
        (
            "tcn.tcn_trunk.features.denseblock4.denselayer1.cbcr1_2.net.1.running_mean",
            "head.blocks.3.layers.0.layer2.branches.2.norm.running_mean",
        ),
        (
            "tcn.tcn_trunk.features.transition0.prelu.weight",
            "head.blocks.0.transition.act.weight",
        ),
        ("tcn.tcn_output.bias", "classifier.bias"),
    ],
)
def test_a_released_name_has_one_of_ours(released, ours):
    assert rename_tensor(released) == ours


@pytest.mark.parametrize(
    "name",
    [
        "trunk.fc.weight",
        "module.frontend3D.0.weight",
        "tcn.mb_ms_tcn.network.0.cbcr0_0.conv.2.weight",
        "tcn.tcn_trunk.network.0.net.2.weight",
        "",
    ],
)
def test_another_name_has_none(name):
    assert rename_tensor(name) is None
