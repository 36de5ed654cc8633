"""The 3-D DenseNet trunk: true 3x3x3 convolutions, on each clip's own frames alone."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.models.build import build_empty
from lipnet.models.densenet3d import DenseNet3D, NeighbourConv, mark_first_frames
from lipnet.models.packing import find_valid_frames
from lipnet.spec import ModelSpec
from tests.lipnet.models.test_lipreader import make_batch, make_clip, make_model, shared_model

SPEC = "densenet3d + bgru_8"


def find_valid(lengths, surplus=0):
    steps = max(lengths) + surplus
    return find_valid_frames(torch.tensor(lengths), steps=steps, device=torch.device("cpu"))


@settings(max_examples=20)
@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4), surplus=st.integers(0, 2))
@torch.no_grad()
def test_a_neighbour_convolution_is_a_3d_one_on_each_clip_alone(lengths, surplus):
    torch.manual_seed(sum(lengths))
    conv = NeighbourConv(3, 2).double()
    clips = [torch.randn(length, 3, 4, 5, dtype=torch.float64) for length in lengths]
    first_N = mark_first_frames(find_valid(lengths, surplus), frames=sum(lengths))
    out_NCHW = conv(torch.cat(clips), first_N)
    wanted_NCHW = [
        F.conv3d(clip.transpose(0, 1), conv.conv.weight, padding=1).transpose(0, 1)
        for clip in clips
    ]
    torch.testing.assert_close(out_NCHW, torch.cat(wanted_NCHW), rtol=0, atol=1e-12)


def test_first_frames_are_where_clips_begin():
    first_N = mark_first_frames(find_valid([2, 1, 3]), frames=6)
    assert first_N.tolist() == [True, False, True, True, False, False]


@torch.inference_mode()
def test_logits_are_the_same_alone_padded_and_in_any_batch():
    model, clip = shared_model(SPEC), make_clip(5)
    alone_K = model(*make_batch([clip], 5))[0]
    assert alone_K.std() > 0.01
    padded_K = model(*make_batch([clip], 8, filler=float("nan")))[0]
    batched_K = model(*make_batch([make_clip(7), clip, make_clip(1)], 9))[1]
    for other_K in (padded_K, batched_K):
        torch.testing.assert_close(other_K, alone_K, rtol=0, atol=1e-10)


@torch.inference_mode()
def test_a_clip_of_no_numbers_leaves_its_neighbours_alone():
    model, clip = shared_model(SPEC), make_clip(3)
    broken = torch.full_like(clip, float("nan"))
    logits_BK = model(*make_batch([broken, clip, broken], 4))
    torch.testing.assert_close(logits_BK[1], model(*make_batch([clip], 3))[0], rtol=0, atol=1e-10)
    assert logits_BK[[0, 2]].isnan().all()


@pytest.mark.slow
def test_padding_changes_no_training_statistics_and_no_gradients():
    clips = [make_clip(2, 16), make_clip(4, 16)]
    results = []
    for steps in (4, 6):
        model = make_model(SPEC).train()
        model(*make_batch(clips, steps)).square().sum().backward()
        gradients = {f"{name}.grad": weight.grad for name, weight in model.named_parameters()}
        results.append(dict(model.named_buffers()) | gradients)
    for name, value in results[0].items():
        torch.testing.assert_close(results[1][name], value, rtol=1e-9, atol=1e-9, msg=name)
    assert all(value.any() for value in gradients.values())


@torch.inference_mode()
def test_the_trunk_sees_beyond_its_frame_within_the_clip():
    torch.manual_seed(1)
    trunk = make_model(SPEC).trunk
    maps_NCHW = torch.randn(6, 64, 4, 4, dtype=torch.float64)
    valid = find_valid([3, 3])
    before_NC = trunk(maps_NCHW, valid)
    maps_NCHW[2] += 1
    moved_N = (trunk(maps_NCHW, valid) != before_NC).any(1)
    assert moved_N.tolist() == [True, True, True, False, False, False]


@pytest.mark.parametrize("size", [16, 23, 88, 112])
@torch.inference_mode()
def test_any_size_and_one_frame_work(size):
    assert shared_model(SPEC)(*make_batch([make_clip(1, size)], 1)).shape == (1, 7)


@torch.inference_mode()
def test_at_112_pixels_the_last_map_is_flattened_as_it_is():
    trunk = make_model(SPEC).trunk
    seen = []
    trunk.norm.register_forward_hook(lambda module, taken, given: seen.append(given))
    features_NC = trunk(torch.randn(1, 64, 28, 28, dtype=torch.float64), find_valid([1]))
    assert features_NC.shape == (1, trunk.features) == (1, 536 * 9)
    assert torch.equal(features_NC, seen[0].flatten(1))


def test_the_published_blocks_give_the_published_widths():
    trunk = build_empty(ModelSpec.parse(SPEC), 3, device="meta").trunk
    widths = [
        (block[0].norm1.num_features, block[-1].norm1.num_features + 32) for block in trunk.blocks
    ]
    assert [len(block) for block in trunk.blocks] == [4, 8, 12, 8]
    assert widths == [(64, 192), (96, 352), (176, 560), (280, 536)]
    assert trunk.norm.num_features == 536
    assert DenseNet3D((1,)).features == 96 * 9
