"""Ji's 3-D CNN: its published number of weights, its maps, and the seven frames that it sees."""

import pytest
import torch
from torch import nn

from lipnet.measure.cost import count_parameters
from lipnet.models.ji3d import HardwiredPlanes, Ji3D
from lipnet.models.motion import compute_planes
from lipnet.models.packing import find_valid_frames
from tests.lipnet.models.test_lipreader import make_clip, make_model

LAYERS = {"c2": 1_480, "s3": 92, "c4": 3_810, "s5": 156, "c6": 289_536}
# Height and width of a layer's maps, and their number in a window.
MAPS = {"c2": (34, 54, 46), "s3": (17, 27, 46), "c4": (12, 21, 78), "s5": (4, 7, 78)}


def find_windows(planes_TCHW):
    """The 33 maps of each frame, [T, 33, 40, 60], as the paper has them."""
    padded = nn.functional.pad(planes_TCHW, (0, 0, 0, 0, 0, 0, 3, 3))
    windows = []
    for frame in range(len(planes_TCHW)):
        seven = padded[frame : frame + 7]
        maps = [seven[:, channel] for channel in range(3)]
        maps += [seven[:6, channel] for channel in (3, 4)]
        windows.append(torch.cat(maps))
    return torch.stack(windows)


def run_layers(net, windows_NCHW):
    """The published layers on windows, and the shapes of their maps."""
    shapes, outputs = {}, []
    for stream, first, channels in ((net.still, 0, 3), (net.flow, 21, 2)):
        maps = 7 if channels == 3 else 6
        volumes = windows_NCHW[:, first : first + channels * maps].unflatten(1, (channels, maps))
        for name in ("c2", "s3", "c4", "s5"):
            volumes = getattr(stream, name)(volumes)
            height, width, found = *volumes.shape[3:], volumes.shape[1] * volumes.shape[2]
            shapes[name] = (height, width, found + shapes.get(name, (0, 0, 0))[2])
            volumes = volumes.tanh() if name in ("s3", "s5") else volumes
        outputs.append(volumes.flatten(1, 2))
    return net.c6(torch.cat(outputs, 1)).tanh(), shapes


def test_weights_are_the_papers_layer_by_layer():
    with torch.device("meta"):
        net = Ji3D()
        classifier = nn.Linear(net.features, 3, bias=False)
    for name, weights in LAYERS.items():
        own = [weight.numel() for key, weight in net.named_parameters() if name in key.split(".")]
        assert sum(own) == weights, name
    assert count_parameters(net) + count_parameters(classifier) == 295_458


@pytest.mark.parametrize(("lengths", "steps"), [([3, 3], 3), ([2, 5], 6)])
@torch.no_grad()
def test_features_are_those_of_the_published_layers_on_every_window(lengths, steps):
    net = make_model("ji3d + mean").trunk
    clips = [make_clip(length) for length in lengths]
    frames_BTHW = torch.full((2, steps, 32, 32), float("nan"), dtype=torch.float64)
    for row, clip_THW in zip(frames_BTHW, clips, strict=True):
        row[: len(clip_THW)] = clip_THW
    valid = find_valid_frames(torch.tensor(lengths), steps=steps, device=torch.device("cpu"))
    planes_NCHW = HardwiredPlanes()(frames_BTHW, valid)
    assert planes_NCHW.shape == (sum(lengths), 5, 40, 60)
    wanted = []
    for clip_THW in clips:
        small_1THW = nn.functional.interpolate(
            clip_THW[None], size=(40, 60), mode="bilinear", antialias=True
        )
        planes_TCHW = torch.stack(compute_planes(small_1THW), 2)[0]
        features_NC, shapes = run_layers(net, find_windows(planes_TCHW))
        assert shapes == MAPS
        wanted.append(features_NC)
    found_NC = net(planes_NCHW, valid)
    assert found_NC.std() > 0.01
    torch.testing.assert_close(found_NC, torch.cat(wanted), rtol=0, atol=1e-12)
