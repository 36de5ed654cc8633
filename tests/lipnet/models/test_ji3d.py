"""Ji's 3-D CNN: its published number of weights, its maps, and the seven frames that it sees."""

import torch
from torch import nn

from lipnet.measure.cost import count_multiply_adds, count_parameters
from lipnet.models.ji3d import HardwiredWindows, Ji3D
from lipnet.models.packing import find_valid_frames
from tests.lipnet.models.test_lipreader import make_clip, make_model

LAYERS = {"c2": 1_480, "s3": 92, "c4": 3_810, "s5": 156, "c6": 289_536}


def test_weights_are_the_papers_layer_by_layer():
    with torch.device("meta"):
        net = Ji3D()
        classifier = nn.Linear(net.features, 3, bias=False)
    for name, weights in LAYERS.items():
        own = [weight.numel() for key, weight in net.named_parameters() if name in key.split(".")]
        assert sum(own) == weights, name
    assert count_parameters(net) + count_parameters(classifier) == 295_458


def test_maps_are_the_papers_sizes():
    with torch.device("meta"):
        net = Ji3D()
        maps_NCHW = torch.empty(1, 33, 40, 60)
    seen = {}
    for name, module in net.named_modules():
        module.register_forward_hook(
            lambda module, taken, given, name=name: seen.update({name: tuple(given.shape)})
        )
    products = count_multiply_adds(lambda: net(maps_NCHW, None))
    maps = {name: seen[f"still.{name}"][2] * 6 + seen[f"flow.{name}"][2] * 4 for name in ("c2",)}
    assert maps == {"c2": 46}
    assert seen["still.c2"][3:] == (34, 54)
    assert seen["still.s3"][3:] == (17, 27)
    assert seen["still.c4"][3:] == (12, 21)
    assert seen["still.s5"][3:] == (4, 7)
    assert net.still.maps + net.flow.maps == 78
    assert f"{(products + 3 * 128) / 1e6:.1f}" == "15.2"


def test_a_frame_sees_three_frames_on_either_side():
    windows, model = HardwiredWindows(), make_model("ji3d + mean")
    clip_THW = make_clip(12)
    valid = find_valid_frames(torch.tensor([12]), steps=12, device=torch.device("cpu"))
    maps_NCHW = windows(clip_THW[None], valid)
    assert maps_NCHW.shape == (12, 33, 40, 60)
    assert torch.equal(
        maps_NCHW[5, :7], maps_NCHW[2:9, 3]
    )  # grey values, the own one in the middle
    before_NC = model.trunk(maps_NCHW, valid)
    clip_THW[7] += torch.randn_like(clip_THW[7])
    changed_N = (model.trunk(windows(clip_THW[None], valid), valid) != before_NC).any(1)
    assert changed_N.tolist() == [4 <= frame <= 10 for frame in range(12)]
