"""The efficient trunks: published sizes behind the front end, and each clip's own frames alone."""

import pytest
import torch

from lipnet.measure.cost import cost_of, count_parameters
from lipnet.models.blocks import round_channels
from lipnet.models.build import build_empty
from lipnet.models.efficientnet import MBConv, StochasticDepth
from lipnet.models.shufflenetv1 import ChannelShuffle
from lipnet.spec import ModelSpec
from tests.lipnet.models.test_lipreader import make_batch, make_clip, make_model, shared_model

HEAD = "tcn_0.125x"
NARROW = ("mobilenetv1_0.125x", "mobilenetv2_0.125x", "efficientnetb0_0.125x", "ghostnet_0.125x")
NARROW += ("shufflenetv1_0.25x",)
# Backbone, channels from the front end, features, weights of the trunk; with tcn_1x and 500 words
# the weights of the whole model and the GFLOPs of 29 frames of 88 x 88 pixels.
COUNTS = (
    ("mobilenetv1_1x", 32, 1024, 3_206_048, 5_773_684, "1.337"),
    ("mobilenetv2_1x", 32, 1280, 2_222_944, 5_052_724, "1.001"),
    ("mobilenetv2_0.5x", 16, 1280, 687_216, 3_513_044, "0.462"),
    ("efficientnetb0", 32, 1280, 4_006_620, 6_836_400, "1.181"),
    ("ghostnet_1x", 16, 960, 2_670_964, 5_169_112, "0.570"),
    ("ghostnet_0.5x", 8, 480, 690_380, 2_695_032, "0.252"),
    ("shufflenetv1_1x", 24, 960, 904_032, 3_404_156, "1.091"),
    ("shufflenetv2_1x", 24, 1024, 1_252_908, 3_818_568, "1.125"),
)


@pytest.mark.parametrize(("backbone", "stem", "features", "weights", "whole", "gflops"), COUNTS)
def test_weights_and_cost_behind_the_front_end(backbone, stem, features, weights, whole, gflops):
    spec = ModelSpec.parse(f"{backbone} + tcn_1x")
    trunk = build_empty(spec, 500, device="meta").trunk
    assert (trunk.stem_channels, trunk.features) == (stem, features)
    assert count_parameters(trunk) == weights
    cost = cost_of(spec, 500, frames=29, size=88)
    assert (cost.params, f"{cost.gflops:.3f}") == (whole, gflops)


@pytest.mark.parametrize("backbone", NARROW)
@torch.inference_mode()
def test_logits_are_the_same_alone_padded_and_in_any_batch(backbone):
    model, clip = shared_model(f"{backbone} + {HEAD}"), make_clip(4)
    alone_K = model(*make_batch([clip], 4))[0]
    assert alone_K.std() > 1e-4
    padded_K = model(*make_batch([clip], 6, filler=float("nan")))[0]
    batched_K = model(*make_batch([make_clip(5), clip, make_clip(1)], 7))[1]
    for other_K in (padded_K, batched_K):
        torch.testing.assert_close(other_K, alone_K, rtol=0, atol=1e-10)


@pytest.mark.parametrize("backbone", NARROW)
def test_padding_changes_no_statistics_and_every_gradient_is_finite(backbone):
    clips = [make_clip(2, 16), make_clip(3, 16)]
    results = []
    for steps in (3, 5):
        model = make_model(f"{backbone} + {HEAD}").train()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout | StochasticDepth):
                module.eval()
        model(*make_batch(clips, steps)).square().sum().backward()
        gradients = {f"{name}.grad": weight.grad for name, weight in model.named_parameters()}
        results.append(dict(model.named_buffers()) | gradients)
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    for name, value in results[0].items():
        torch.testing.assert_close(results[1][name], value, rtol=1e-9, atol=1e-9, msg=name)


@pytest.mark.parametrize("backbone", NARROW)
@torch.inference_mode()
def test_the_smallest_input_gives_maps_of_four_pixels_that_every_trunk_takes(backbone):
    model = shared_model(f"{backbone} + {HEAD}")
    seen = []
    hook = model.frontend.register_forward_hook(lambda module, taken, given: seen.append(given))
    assert model(*make_batch([make_clip(1, 16)], 1)).isfinite().all()
    hook.remove()
    assert seen[0].shape[2:] == (4, 4)


@pytest.mark.parametrize("backbone", NARROW)
@torch.inference_mode()
def test_another_activation_of_the_spec_leaves_the_trunk_as_published(backbone):
    trunks = [
        build_empty(ModelSpec.parse(f"{backbone} + {HEAD}{option}"), 5, device="meta").trunk
        for option in ("", " + prelu")
    ]
    assert str(trunks[0]) == str(trunks[1])


@pytest.mark.parametrize(
    ("channels", "divisor", "rounded"),
    [(32, 8, 32), (12, 8, 16), (11, 8, 16), (3, 8, 8), (20, 8, 24), (18, 8, 24), (90, 8, 88)]
    + [(4.5, 4, 8), (2, 4, 4), (13, 4, 12), (42, 4, 44)],
)
def test_channels_are_multiples_near_the_product(channels, divisor, rounded):
    assert round_channels(channels, divisor) == rounded


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_shuffled_channels_take_from_each_group_in_turn(memory_format):
    maps_NCHW = torch.arange(2 * 6 * 4.0).view(2, 6, 2, 2).contiguous(memory_format=memory_format)
    assert torch.equal(ChannelShuffle()(maps_NCHW), maps_NCHW[:, [0, 2, 4, 1, 3, 5]])


def test_shufflenets_first_convolution_alone_is_not_grouped():
    trunk = shared_model(f"shufflenetv1_0.25x + {HEAD}").trunk
    groups = [unit.branch[0][0].groups for unit in trunk.units]
    assert groups == [1] + [3] * 15


def test_stochastic_depth_drops_whole_frames_and_keeps_the_mean():
    torch.manual_seed(0)
    maps_NCHW = torch.ones(4000, 2, 1, 3)
    ratios_NCHW = StochasticDepth(0.2).train()(maps_NCHW)
    assert torch.equal(ratios_NCHW, ratios_NCHW[:, :1, :, :1].expand_as(ratios_NCHW))
    dropped_N = ratios_NCHW[:, 0, 0, 0] == 0
    assert dropped_N.float().mean().item() == pytest.approx(0.2, abs=0.03)
    torch.testing.assert_close(ratios_NCHW[~dropped_N], ratios_NCHW[~dropped_N] * 0 + 1.25)
    assert torch.equal(StochasticDepth(0.2).eval()(maps_NCHW), maps_NCHW)


def test_a_narrow_efficientnet_rounds_channels_as_the_published_ones_do():
    trunk = build_empty(ModelSpec.parse(f"efficientnetb0_0.25x + {HEAD}"), 5, device="meta").trunk
    ends = [block.layers[-1][0].out_channels for block in trunk.blocks]
    # 0.25 times 16, 24, 40, 80, 112, 192 and 320; 10 becomes 16, because 8 is below 0.9 of it.
    assert ends == [8] * 3 + [16] * 2 + [24] * 3 + [32] * 3 + [48] * 4 + [80]
    assert (trunk.stem_channels, trunk.features) == (8, 320)


def test_stochastic_depth_grows_linearly_over_the_blocks():
    trunk = build_empty(ModelSpec.parse(f"efficientnetb0 + {HEAD}"), 5, device="meta").trunk
    rates = [block.drop.rate for block in trunk.blocks if isinstance(block, MBConv)]
    assert rates == pytest.approx([0.2 * block / 16 for block in range(16)])
