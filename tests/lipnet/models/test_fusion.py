"""Networks that take a clip at once, and Karpathy's: published sizes, and which frames count."""

import pytest
import torch
from torch import nn

from lipnet.errors import InputError
from lipnet.export.graph import make_clip_graphs
from lipnet.measure.cost import cost_of, count_multiply_adds, count_parameters
from lipnet.models import alexnet
from lipnet.models.alexnet import ContextFovea, LateFusion, Layout, SingleFrame, SlowFusion
from lipnet.models.build import build_empty, build_model
from lipnet.models.fixed_frames import FixedFrames
from lipnet.models.inception import BlockMaker, InceptionTowers, InceptionV4
from lipnet.models.packing import find_valid_frames
from lipnet.models.vggm import VggM
from lipnet.recipe import Recipe
from lipnet.spec import CLIP_NETS, ModelSpec
from lipnet.train.optim import build_optimiser
from tests.lipnet.models.test_lipreader import make_batch, make_clip, make_model
from tests.lipnet.specs import narrow_spec

PER_FRAME = ("alexnet", "alexnet2", "ji3d", "inceptionv4", "msdnet")
SPECS = (*CLIP_NETS, *PER_FRAME)
EFFICIENT = ("mobilenetv1", "mobilenetv2", "efficientnetb0", "ghostnet", "shufflenetv1")
# Of 500 words and 29 frames of 88 x 88 pixels: weights, multiply-adds / 1e9.
COUNTS = {
    "vggm_ef": (58_554_868, "0.925"),
    "vggm_mt": (58_664_020, "1.068"),
    "vggm_ef3": (137_546_900, "14.832"),
    "vggm_mt3": (137_546_036, "14.647"),
    "alexnet_early": (32_099_604, "0.423"),
    "alexnet_late": (41_432_244, "0.639"),
    "alexnet_slow": (33_529_044, "0.944"),
    "inceptionv4_mt": (8_570_644, "4.270"),
    "alexnet + mean": (31_995_060, "9.475"),
    "alexnet2 + mean": (45_156_212, "4.550"),
    "inceptionv4 + tcn_1x": (44_146_100, "39.467"),
}
SPORTS = Layout(colours=3, map_side=7)  # Sports-1M: 487 classes, 170 x 170 pixels


def narrow(name):
    """The narrowest spec of a network, with a head if it needs one."""
    if name in CLIP_NETS:
        return f"{name}_{CLIP_NETS[name].size.low:g}x"
    return narrow_spec(name, "gru")


@pytest.mark.parametrize("spec", COUNTS)
def test_weights_and_multiply_adds(spec):
    cost = cost_of(ModelSpec.parse(spec), 500, frames=29, size=88)
    assert (cost.params, f"{cost.gmacs:.3f}") == COUNTS[spec]


@pytest.mark.parametrize(("name", "weights"), [("vggm_ef", 100_494_452), ("vggm_mt", 100_588_628)])
def test_vggm_of_the_published_input(name, weights):
    with torch.device("meta"):
        net = nn.ModuleList([VggM(name, 1.0, frames=25, map_side=6), nn.Linear(4096, 500)]).eval()
        clip_BTHW = torch.empty(1, 25, 111, 111)
    seen = []
    net[0].layers[-1].register_forward_hook(lambda module, taken, given: seen.append(given))
    products = count_multiply_adds(lambda: net[1](net[0](clip_BTHW, None)))
    assert seen[0].shape[2:] == (13, 13)  # 6x6 after the last pooling
    assert count_parameters(net) == weights
    assert f"{products / 1e9:.2f}" == {"vggm_ef": "1.51", "vggm_mt": "1.72"}[name]


@pytest.mark.parametrize(
    ("body", "weights", "pixels"),
    [
        (SingleFrame, 73_908_071, (3, 170, 170)),
        (alexnet.EarlyFusion, 74_221_703, (30, 170, 170)),
        (LateFusion, 125_288_295, (16, 170, 170)),
        (SlowFusion, 75_511_751, (10, 170, 170)),
        (ContextFovea, 129_035_495, (3, 178, 178)),
    ],
)
def test_karpathys_networks_for_sports(body, weights, pixels):
    with torch.device("meta"):
        grey_alone = body in (LateFusion, SlowFusion)  # theirs have three colours here too
        net, frames = body(1.0, SPORTS).eval(), torch.empty(1, *pixels)
        classifier = nn.Linear(net.features, 487)
    assert count_parameters(nn.ModuleList([net, classifier])) == weights
    if grey_alone:
        return
    seen = []
    net.hidden.register_forward_pre_hook(lambda module, taken: seen.append(taken[0]))
    assert net(frames, None).shape == (1, 4096)
    assert seen[0].shape[2:] == (7, 7)


def test_slow_fusion_leaves_four_two_and_one_frames():
    with torch.device("meta"):
        net = SlowFusion(1.0).eval()
    times = []
    for conv in net.column.convs:
        conv.register_forward_hook(lambda module, taken, given: times.append(given.shape[2]))
    net(torch.empty(1, 10, 88, 88, device="meta"), None)
    assert times == [4, 2, 1, 1, 1]


def test_inception_v4_behind_its_published_stem():
    with torch.device("meta"):
        maker = BlockMaker(3, 1.0)
        stem = maker.make(("3x3 32 /",), ("3x3 32",), ("3x3 64",), ("max /", "3x3 96 /"))
        trunk = InceptionV4(1.0, stem_channels=maker.channels)
        net = nn.ModuleList([stem, trunk, nn.Linear(trunk.features, 1000)])
        towers = nn.ModuleList([InceptionTowers(1.0), nn.Linear(768, 500)])
    assert maker.channels == 160
    assert count_parameters(net) == 42_679_816
    assert count_parameters(towers) == 8_570_644


@pytest.mark.parametrize(("length", "first"), [(3, -1), (4, -1), (5, 0), (6, 0), (9, 2)])
def test_the_middle_frames_are_taken_and_a_short_clip_is_in_the_middle(length, first):
    clip_THW = torch.arange(1.0, 1 + length).view(-1, 1, 1).expand(-1, 2, 2)
    padded_BTHW = torch.full((2, 9, 2, 2), float("nan"))
    padded_BTHW[0, :length] = clip_THW
    padded_BTHW[1] = 7
    valid = find_valid_frames(torch.tensor([length, 9]), steps=9, device=torch.device("cpu"))
    taken_BTHW = FixedFrames(5)(padded_BTHW, valid)
    wanted = [t + 1 if 0 <= t < length else 0 for t in range(first, first + 5)]
    assert taken_BTHW[0, :, 0, 0].tolist() == wanted


@pytest.mark.parametrize("name", SPECS)
def test_padding_changes_nothing_and_every_gradient_is_finite(name):
    # Longer than a clip network's frames or not; ji3d is slow, and has no such number.
    lengths = (2, 5) if name == "ji3d" else (3, 12)
    model, clips = make_model(narrow(name)).eval(), [make_clip(length, 16) for length in lengths]
    gradients = []
    for steps in (lengths[1], lengths[1] + 2):
        model.zero_grad()
        batched_BK = model(*make_batch(clips, steps, filler=float("nan")))
        for clip, logits_K in zip(clips, batched_BK, strict=True):
            alone_K = model(*make_batch([clip], len(clip)))[0]
            torch.testing.assert_close(logits_K, alone_K, rtol=0, atol=1e-10)
        batched_BK.square().sum().backward()
        gradients.append({key: weight.grad.clone() for key, weight in model.named_parameters()})
    for key, gradient in gradients[0].items():
        assert gradient.isfinite().all(), key
        torch.testing.assert_close(gradients[1][key], gradient, rtol=1e-9, atol=1e-9, msg=key)


@pytest.mark.parametrize("name", [*SPECS, *EFFICIENT])
def test_one_step_of_sgd_moves_every_weight(name):
    recipe = Recipe(optimiser="sgd", lr=1e-2, weight_decay=5e-4)
    generator = torch.Generator().manual_seed(2)
    model = build_model(ModelSpec.parse(narrow(name)), 3, generator=generator).train()
    before = {key: weight.detach().clone() for key, weight in model.named_parameters()}
    frames_BTHW = torch.randn(4, 9, 24, 24, generator=generator)
    logits_BK = model(frames_BTHW, torch.tensor([9, 5, 7, 9]))
    nn.functional.cross_entropy(logits_BK, torch.tensor([0, 1, 2, 0])).backward()
    build_optimiser(model, recipe).step()
    for key, weight in model.named_parameters():
        assert weight.isfinite().all(), key
        # A bias starts at 0 and has no gradient if a BatchNorm follows.
        assert key.endswith("bias") or not torch.equal(weight, before[key]), key


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vggm_mt + tcn_1x", "takes a fixed number of frames at once, so it has no head"),
        ("vggm_mt + boundary", "leave out 'boundary'"),
        ("vggm_mt_9x", "vggm_mt_9x: its width is 0.0625 to 2"),
        ("vggm_mt_wide", "unknown network 'vggm_mt_wide'"),
        ("alexnet", "not 'backbone . head"),
        ("alexnet + mean + motion", "alexnet has a front end of its own: leave out 'motion'"),
    ],
)
def test_a_spec_that_no_network_has_names_the_fault(text, message):
    with pytest.raises(InputError, match=message):
        ModelSpec.parse(text)


@pytest.mark.parametrize("name", CLIP_NETS)
def test_the_spec_of_a_clip_network_is_its_name_and_width(name):
    assert str(ModelSpec.parse(f" {name}_1.0x")) == name
    assert str(ModelSpec.parse(f"{name}_0.50x")) == f"{name}_0.5x"
    assert ModelSpec.parse(name).takes_clip
    with pytest.raises(InputError, match="no head and no options"):
        ModelSpec(name, 1.0, "tcn", 256)


@pytest.mark.parametrize("name", ["vggm_mt", "alexnet", "ji3d"])
def test_an_input_of_its_own_is_not_exported(name):
    model = build_empty(ModelSpec.parse(narrow(name)), 3, device="meta")
    with pytest.raises(InputError, match="cannot be exported"):
        make_clip_graphs(model, 88)
