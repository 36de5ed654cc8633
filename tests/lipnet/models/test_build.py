"""Built models start from the stated distributions, equal for equal generators."""

import math

import pytest
import torch

from lipnet.errors import InputError
from lipnet.models.build import HEADS, TRUNKS, build_model
from lipnet.models.shufflenetv2 import interleave
from lipnet.spec import HEAD_BRANCHES, RECURRENT_HEADS, RESNETS, ModelSpec

SPEC = ModelSpec.parse("shufflenetv2_0.5x + dsmstcn_1.5x + prelu")


def build_seeded(seed):
    return build_model(SPEC, 10, generator=torch.Generator().manual_seed(seed))


def test_equal_generators_give_equal_models():
    first, same, other = (build_seeded(seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])


def test_initial_weights_have_the_papers_spread():
    state = build_seeded(1).state_dict()
    depthwise = state["head.blocks.0.layer1.branches.1.depth.weight"]
    assert depthwise.std().item() == pytest.approx(math.sqrt(2 / (5 * 1024)), rel=0.05)
    assert state["frontend.conv.weight"].std().item() == pytest.approx(
        math.sqrt(2 / (245 * 24)), rel=0.05
    )
    assert state["classifier.weight"].std().item() == pytest.approx(math.sqrt(2 / 384), rel=0.05)
    assert not state["classifier.bias"].any()
    assert (state["frontend.act.weight"] == 0.25).all()
    assert (state["trunk.last.1.running_var"] == 1).all()
    assert all(torch.isfinite(tensor).all() for tensor in state.values())


def test_the_grammar_and_the_tables_name_the_same_parts():
    assert set(HEADS) == {*HEAD_BRANCHES, *RECURRENT_HEADS, "dctcn"}
    assert set(TRUNKS) == {*RESNETS, "shufflenetv2", "densenet3d"}


def test_a_training_step_moves_every_weight():
    model = build_seeded(1).train()
    model(torch.randn(2, 4, 32, 32), torch.tensor([4, 3])).logsumexp(1).sum().backward()
    assert all(weight.grad is not None for weight in model.parameters())


def test_interleave_alternates_the_two_halves():
    halves = torch.arange(6.0).view(1, 6, 1, 1).chunk(2, 1)
    assert interleave(*halves).flatten().tolist() == [0, 3, 1, 4, 2, 5]


def test_no_class_is_refused():
    with pytest.raises(InputError, match="0 classes"):
        build_model(SPEC, 0)
