"""The front end's two-dimensional form is the paper's Conv3d."""

import pytest
import torch
import torch.nn.functional as F

from lipnet.models.frontend import FrontEnd
from lipnet.models.packing import find_valid_frames


@pytest.mark.parametrize(
    ("activation", "slope"), [("relu", None), ("prelu", 0.25), ("prelu", -0.5), ("swish", None)]
)
@pytest.mark.parametrize("training", [True, False])
def test_equals_conv3d_batchnorm3d_and_pooling(activation, slope, training):
    torch.manual_seed(3)
    frontend = FrontEnd(6, activation).double().train(training)
    torch.nn.init.normal_(frontend.norm.weight)  # negative scales too
    if slope is not None:
        torch.nn.init.constant_(frontend.act.weight[:1], slope)
    norm = frontend.norm
    frames_BTHW = torch.randn(2, 7, 24, 20, dtype=torch.float64)
    maps = F.conv3d(frames_BTHW[:, None], frontend.conv.weight, stride=(1, 2, 2), padding=(2, 3, 3))
    means, variances = norm.running_mean.clone(), norm.running_var.clone()
    maps = F.batch_norm(maps, means, variances, norm.weight, norm.bias, training)
    maps = F.max_pool3d(frontend.act(maps), (1, 3, 3), (1, 2, 2), (0, 1, 1))
    lengths_B = torch.tensor([7, 7])
    valid = find_valid_frames(lengths_B, steps=7, device=torch.device("cpu"))
    ours_NCHW = frontend(frames_BTHW, valid)
    wanted_NCHW = maps.transpose(1, 2).flatten(0, 1)
    torch.testing.assert_close(ours_NCHW, wanted_NCHW)
    weights = list(frontend.parameters())
    found = torch.autograd.grad(ours_NCHW.square().sum(), weights)
    expected = torch.autograd.grad(wanted_NCHW.square().sum(), weights)
    torch.testing.assert_close(found, expected)
