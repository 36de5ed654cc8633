"""Folded models give what the original gives, without the BatchNorms behind convolutions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lipnet.models.fold import fold_batchnorm
from lipnet.spec import BACKBONES, HEADS, ModelSpec
from tests.lipnet.models.test_lipreader import make_batch, make_clip, make_model
from tests.lipnet.specs import backbone_for, narrow_spec

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
# BatchNorms that do not follow one convolution: they are before it or after a concatenation.
KEPT = {"densenet3d": 32 + 3 + 1, "dctcn": 1}


@torch.inference_mode()
def check_folded(spec):
    model = make_model(spec)
    folded = fold_batchnorm(model)
    parsed = ModelSpec.parse(spec)
    kept = KEPT.get(parsed.backbone, 0) + KEPT.get(parsed.head, 0)
    assert sum(isinstance(module, NORMS) for module in folded.modules()) == kept
    for batch in (make_batch([make_clip(3)], 3), make_batch([make_clip(2), make_clip(5)], 6)):
        expected_BK = model(*batch)
        assert expected_BK.std() > 1e-3
        torch.testing.assert_close(folded(*batch), expected_BK, rtol=0, atol=1e-10)


@pytest.mark.slow
@settings(max_examples=4)
@given(
    st.sampled_from(sorted(set(BACKBONES) - {"densenet3d"})),
    st.sampled_from(sorted(set(HEADS) - {"dctcn", "convlstm"})),
    st.sampled_from(["", "prelu", "swish"]),
)
def test_logits_of_any_spec_are_the_same(backbone, head, activation):
    check_folded(narrow_spec(backbone, head, *filter(None, [activation])))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "head"),
    [
        *((backbone, "tcn") for backbone in sorted(BACKBONES)),
        *((backbone_for(head, "resnet18"), head) for head in HEADS),
    ],
)
def test_logits_of_every_backbone_and_head_are_the_same(backbone, head):
    check_folded(narrow_spec(backbone, head))


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
