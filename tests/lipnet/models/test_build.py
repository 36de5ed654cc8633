"""Built models start from the stated distributions, equal for equal generators."""

import math

import pytest
import torch

from lipnet.errors import InputError
from lipnet.measure.cost import cost_of
from lipnet.models.activation import ACTIVATIONS as ACTIVATION_BUILDERS
from lipnet.models.build import (
    BACKBONE_BUILDERS,
    CLIP_NET_BUILDERS,
    HEAD_BUILDERS,
    OWN_FRONT_END_BUILDERS,
    build_empty,
    build_model,
    initialise,
)
from lipnet.models.packing import find_valid_frames
from lipnet.models.shufflenetv2 import interleave
from lipnet.models.tcn import KINDS
from lipnet.sizes import FixedChannels
from lipnet.spec import (
    ACTIVATIONS,
    BACKBONES,
    CLIP_NETS,
    HEADS,
    OWN_FRONT_ENDS,
    ModelSpec,
    Part,
)
from tests.lipnet.specs import SUFFIXES, backbone_for, is_spec, narrow_spec

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


def test_every_row_of_a_spec_has_a_builder():
    assert {*BACKBONE_BUILDERS, *OWN_FRONT_END_BUILDERS} == BACKBONES.keys()
    assert OWN_FRONT_END_BUILDERS.keys() == set(OWN_FRONT_ENDS)
    assert CLIP_NET_BUILDERS.keys() == CLIP_NETS.keys()
    assert HEAD_BUILDERS.keys() == HEADS.keys()
    assert ACTIVATION_BUILDERS.keys() == {"relu", *ACTIVATIONS}


@pytest.mark.parametrize("head", sorted(KINDS))
def test_a_spec_knows_how_many_branches_share_the_channels(head):
    assert HEADS[head].size.branches == len(KINDS[head].kernels)


# Every backbone with one head, every head with one backbone: neither depends on the other.
PAIRS = [(backbone, "tcn") for backbone in sorted(BACKBONES)]
PAIRS += [(backbone_for(head, "shufflenetv2"), head) for head in sorted(HEADS)]


# Trunks that are slow to build and have their own activation: every option is tried with others.
PLAIN = ("inceptionv4", "msdnet", *OWN_FRONT_ENDS)
CASES = [
    (backbone, head, option)
    for backbone, head in sorted(set(PAIRS))
    for option in ("", "prelu", "swish", "boundary", "motion")
    if not option or (backbone not in PLAIN and head != "convlstm")
]


@pytest.mark.parametrize(("backbone", "head", "option"), CASES)
def test_every_row_is_a_model(backbone, head, option):
    spec = ModelSpec.parse(narrow_spec(backbone, head, *filter(None, [option])))
    model = build_empty(spec, 5, device="meta")
    assert model.boundary == (option == "boundary")
    assert model.classifier.in_features == model.head.features
    cost = cost_of(spec, 5, frames=3, size=16)
    assert 0 < cost.gmacs_computed <= cost.gmacs < cost.gflops
    assert cost.params == sum(weight.numel() for weight in model.parameters())
    initialise(model)  # a layer of a kind that it does not know would be what was in memory


@pytest.mark.parametrize("net", CLIP_NETS)
def test_every_clip_network_has_initial_values(net):
    spec = ModelSpec.parse(next(filter(is_spec, (net + size for size in SUFFIXES))))
    initialise(build_empty(spec, 5, device="meta"))


@pytest.mark.parametrize("kept", ["weight", "buffer"])
def test_a_layer_of_another_kind_needs_its_initial_values(kept):
    layer = torch.nn.Module()
    if kept == "weight":
        layer.scale = torch.nn.Parameter(torch.ones(3))
    else:
        layer.register_buffer("kernel", torch.ones(3))
    with pytest.raises(TypeError, match=r"Module: set its weights in lipnet\.models\.build"):
        initialise(torch.nn.Sequential(layer))


@pytest.mark.parametrize("backbone", BACKBONE_BUILDERS)
@torch.inference_mode()
def test_a_spec_knows_whether_its_trunk_sees_each_frame_alone(backbone):
    spec = ModelSpec.parse(narrow_spec(backbone, "mean"))
    trunk = build_model(spec, 2, generator=torch.Generator().manual_seed(0)).eval().trunk
    maps_NCHW = torch.randn(3, trunk.stem_channels, 8, 8)
    valid = find_valid_frames(torch.tensor([3]), steps=3, device=maps_NCHW.device)
    before_NC = trunk(maps_NCHW, valid)
    maps_NCHW[1] += 1
    changed_N = (trunk(maps_NCHW, valid) != before_NC).any(1)
    alone = changed_N.tolist() == [False, True, False]
    assert spec.has_frame_features == alone, "a stream needs to know: has_frame_features of spec.py"


class SameFrame(torch.nn.Module):
    """A head that only averages, as a new file would bring one."""

    classifies_frames = False

    def __init__(self, inputs):
        super().__init__()
        self.features = inputs

    def forward(self, x_NC, valid):
        """Packed [N, inputs] -> the same."""
        return x_NC


def test_a_row_and_a_builder_are_all_that_a_new_head_needs(monkeypatch):
    monkeypatch.setitem(HEADS, "same", Part("same", FixedChannels(512)))
    monkeypatch.setitem(HEAD_BUILDERS, "same", lambda spec, inputs: SameFrame(inputs))
    spec = ModelSpec.parse("shufflenetv2_0.5x + same")
    model = build_model(spec, 3).eval()
    assert model(torch.randn(2, 4, 32, 32), torch.tensor([4, 3])).shape == (2, 3)
    with_head = ModelSpec.parse("shufflenetv2_0.5x + tcn_1x")
    assert cost_of(spec, 3).params < cost_of(with_head, 3).params


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
