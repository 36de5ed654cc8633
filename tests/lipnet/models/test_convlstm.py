"""The ConvLSTM head against its equations, one clip at a time."""

import pytest
import torch
import torch.nn.functional as F

from lipnet.errors import InputError
from lipnet.models.build import build_empty
from lipnet.models.convlstm import ConvLstmHead
from lipnet.models.packing import find_valid_frames
from lipnet.spec import ModelSpec


def run_by_hand(cell, clip_TCHW):
    """The cell's state at each frame of one clip, from the first to the last."""
    channels = cell.gates.out_channels // 4
    hidden = memory = torch.zeros(1, channels, 3, 3, dtype=clip_TCHW.dtype)
    states = []
    for frame_CHW in clip_TCHW:
        seen = torch.cat((frame_CHW[None], hidden), 1)
        gates = F.conv2d(seen, cell.gates.weight, cell.gates.bias, padding=1)
        i, f, o, g = gates.split(channels, 1)
        memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * memory.tanh()
        states.append(hidden[0].mean((1, 2)))
    return torch.stack(states)


@pytest.mark.parametrize(("lengths", "steps"), [([4, 4], 4), ([2, 5, 1], 7)])
def test_each_clip_is_read_both_ways_from_its_own_ends(lengths, steps):
    torch.manual_seed(3)
    head = ConvLstmHead(5 * 9, channels=4).double()
    clips = [torch.randn(length, 5 * 9, dtype=torch.float64) for length in lengths]
    valid = find_valid_frames(torch.tensor(lengths), steps=steps, device=torch.device("cpu"))
    wanted = []
    for clip_TC in clips:
        clip_TCHW = clip_TC.view(-1, 5, 3, 3)
        back_TC = run_by_hand(head.backwards, clip_TCHW.flip(0)).flip(0)
        wanted.append(torch.cat((run_by_hand(head.forwards, clip_TCHW), back_TC), 1))
    out_NC = head(torch.cat(clips), valid)
    torch.testing.assert_close(out_NC, torch.cat(wanted), rtol=0, atol=1e-12)
    out_NC.square().sum().backward()
    assert all(weight.grad.isfinite().all() for weight in head.parameters())


def test_weights_of_the_head_on_densenets_maps():
    model = build_empty(ModelSpec.parse("densenet3d + convlstm_128"), 5, device="meta")
    assert sum(weight.numel() for weight in model.head.parameters()) == 2 * 3_060_224
    assert model.head.features == 256


@pytest.mark.parametrize("text", ["resnet18 + convlstm_8", "densenet3d + convlstm_8 + boundary"])
def test_other_features_than_a_map_are_refused(text):
    with pytest.raises(InputError, match="convlstm needs a frame's map and nothing else"):
        ModelSpec.parse(text)
