"""Folded models give what the original gives, without the BatchNorms behind convolutions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lipnet.models.build import HEADS, TRUNKS
from lipnet.models.fold import fold_batchnorm
from tests.lipnet.models.test_lipreader import make_batch, make_clip, make_model

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
NARROW = {
    "resnet18": "resnet18_0.125x",
    "resnet34": "resnet34_0.125x",
    "shufflenetv2": "shufflenetv2_0.5x",
    "tcn": "tcn_0.25x",
    "mstcn": "mstcn_0.375x",
    "dstcn": "dstcn_0.25x",
    "dsmstcn": "dsmstcn_0.375x",
    "bgru": "bgru_8",
    "blstm": "blstm_8",
}
# Where BatchNorm does not follow one convolution: before it, or behind a concatenation.
KEPT = {"densenet3d": 32 + 3 + 1, "dctcn": 1}


def make_spec(trunk, head, activation):
    return " + ".join(filter(None, (NARROW.get(trunk, trunk), NARROW.get(head, head), activation)))


@torch.inference_mode()
def check_folded(spec):
    model = make_model(spec)
    folded = fold_batchnorm(model)
    trunk, head = spec.split(" + ")[:2]
    kept = KEPT.get(trunk, 0) + KEPT.get(head, 0)
    assert sum(isinstance(module, NORMS) for module in folded.modules()) == kept
    for batch in (make_batch([make_clip(3)], 3), make_batch([make_clip(2), make_clip(5)], 6)):
        expected_BK = model(*batch)
        assert expected_BK.std() > 1e-3
        torch.testing.assert_close(folded(*batch), expected_BK, rtol=0, atol=1e-10)


@settings(max_examples=4)
@given(
    st.sampled_from(sorted(set(TRUNKS) - {"densenet3d"})),
    st.sampled_from(sorted(set(HEADS) - {"dctcn"})),
    st.sampled_from(["", "prelu", "swish"]),
)
def test_logits_of_any_spec_are_the_same(trunk, head, activation):
    check_folded(make_spec(trunk, head, activation))


@pytest.mark.slow
@pytest.mark.parametrize("head", sorted(HEADS))
@pytest.mark.parametrize("trunk", sorted(TRUNKS))
def test_logits_of_every_trunk_and_head_are_the_same(trunk, head):
    check_folded(make_spec(trunk, head, ""))


def test_the_model_itself_stays_as_it_is():
    model = make_model("resnet18_0.125x + tcn_0.25x").train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    folded = fold_batchnorm(model)
    assert model.training
    assert all(weight.requires_grad for weight in model.parameters())
    assert not folded.training
    assert not any(weight.requires_grad for weight in folded.parameters())
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_weights_stay_channels_last():
    folded = fold_batchnorm(make_model("shufflenetv2_0.5x + tcn_0.25x"))
    weight = folded.trunk.units[0].branch[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_a_batchnorm_of_something_else_stays():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4))
    assert [type(module) for module in fold_batchnorm(model)] == [type(module) for module in model]
    grown = nn.ModuleList([nn.Linear(3, 4), nn.BatchNorm1d(8)])  # of what was concatenated
    assert isinstance(fold_batchnorm(grown)[1], nn.BatchNorm1d)
