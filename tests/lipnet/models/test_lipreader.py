"""A clip's logits depend on its own frames only, in any batch and with any padding."""

import math
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.errors import InputError
from lipnet.models.build import build_empty
from lipnet.spec import ModelSpec

SPECS = (
    "resnet18_0.25x + mstcn_0.75x + swish",
    "resnet34_0.125x + dsmstcn_0.75x + prelu",
    "shufflenetv2_0.5x + dstcn_0.5x + prelu",
    "shufflenetv2_0.5x + tcn_0.25x",
    "resnet18_0.125x + tcn_0.25x + boundary",
    "resnet18_0.125x + dctcn + prelu",
)
BOUNDARY = SPECS[4]
MARKED = [pytest.param(spec, marks=[pytest.mark.slow] * ("dctcn" in spec)) for spec in SPECS]


@torch.inference_mode(False)
def make_model(spec=SPECS[0], n_classes=7):
    """A float64 model whose weights keep signals at one scale, and whose BatchNorms and biases
    are away from their initial values.
    """
    generator = torch.Generator().manual_seed(1)
    model = build_empty(ModelSpec.parse(spec), n_classes).double()
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensor.zero_()
        elif tensor.dim() > 1:
            tensor.normal_(0, math.sqrt(1 / tensor[0].numel()), generator=generator)
        elif name.endswith(("bias", "running_mean")):
            tensor.uniform_(-0.5, 0.5, generator=generator)
        elif "act" in name:  # of a PReLU
            tensor.uniform_(0.1, 0.4, generator=generator)
        else:
            tensor.uniform_(0.5, 1.5, generator=generator)
    return model.eval()


def make_clip(frames, size=32, seed=2):
    generator = torch.Generator().manual_seed(seed + 1000 * frames)
    return torch.randn(frames, size, size, generator=generator, dtype=torch.float64)


@cache
def shared_model(spec):
    """`make_model`, once a spec, for tests that leave it as it is."""
    return make_model(spec)


def make_batch(clips, steps, filler=99.0):
    """Clips padded to `steps` with a value that a leak would show; the word is the middle third."""
    frames_BTHW = torch.full((len(clips), steps, *clips[0].shape[1:]), filler, dtype=torch.float64)
    word_BT = torch.full((len(clips), steps), filler)
    for row, word, clip in zip(frames_BTHW, word_BT, clips, strict=True):
        row[: len(clip)] = clip
        word[: len(clip)] = 0
        word[len(clip) // 3 : (2 * len(clip) + 2) // 3] = 1
    return frames_BTHW, torch.tensor([len(clip) for clip in clips]), word_BT


@pytest.mark.parametrize("spec", MARKED)
@torch.inference_mode()
def test_logits_are_the_same_alone_padded_and_in_any_batch(spec):
    model, clip = shared_model(spec), make_clip(20)
    alone_K = model(*make_batch([clip], 20))[0]
    assert alone_K.std() > 0.01
    padded_K = model(*make_batch([clip], 29))[0]
    neighbours = [make_clip(29), clip, make_clip(1), make_clip(7)]
    batched_K = model(*make_batch(neighbours, 40))[1]
    not_a_number_K = model(*make_batch([clip], 29, filler=float("nan")))[0]
    for other_K in (padded_K, batched_K, not_a_number_K):
        torch.testing.assert_close(other_K, alone_K, rtol=0, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("spec", MARKED)
@settings(max_examples=8)
@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4), surplus=st.integers(0, 5))
@torch.inference_mode()
def test_any_clip_in_any_batch_is_as_it_is_alone(spec, lengths, surplus):
    model = shared_model(spec)
    clips = [make_clip(length, 16, seed) for seed, length in enumerate(lengths)]
    batched_BK = model(*make_batch(clips, max(lengths) + surplus))
    for batched_K, clip in zip(batched_BK, clips, strict=True):
        alone_K = model(*make_batch([clip], len(clip)))[0]
        torch.testing.assert_close(batched_K, alone_K, rtol=0, atol=1e-10)


@torch.inference_mode()
def test_the_word_reaches_a_boundary_models_own_clip_alone():
    model = shared_model(BOUNDARY)
    frames_BTHW, lengths_B, word_BT = make_batch([make_clip(7), make_clip(9)], 9)
    before_BK = model(frames_BTHW, lengths_B, word_BT)
    word_BT[1, 0] = 1
    after_BK = model(frames_BTHW, lengths_B, word_BT)
    torch.testing.assert_close(after_BK[0], before_BK[0], rtol=0, atol=1e-10)
    assert (after_BK[1] - before_BK[1]).abs().max() > 1e-3


@torch.inference_mode()
def test_other_models_do_not_look_at_the_word():
    model = shared_model(SPECS[3])
    *clips, word_BT = make_batch([make_clip(4)], 4)
    assert torch.equal(model(*clips, word_BT), model(*clips))


@pytest.mark.parametrize(
    ("word_BT", "message"),
    [
        (None, "needs to know the word's frames"),
        (torch.zeros(1, 5), r"\(1, 5\): expected \(1, 4\)"),
        (torch.zeros(4), r"\(4,\): expected \(1, 4\)"),
    ],
)
def test_a_boundary_model_without_the_word_is_an_input_error(word_BT, message):
    frames_BTHW, lengths_B, _ = make_batch([make_clip(4)], 4)
    with pytest.raises(InputError, match=message):
        shared_model(BOUNDARY)(frames_BTHW, lengths_B, word_BT)


@pytest.mark.slow
def test_padding_changes_no_training_statistics_and_no_gradients():
    clips = [make_clip(5), make_clip(9)]
    results = []
    for steps in (9, 16):
        model = make_model("shufflenetv2_0.5x + dsmstcn_0.75x")
        model.train()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.eval()
        model(*make_batch(clips, steps)).square().sum().backward()
        results.append(
            dict(model.named_buffers())
            | {f"{name}.grad": weight.grad for name, weight in model.named_parameters()}
        )
    for name, value in results[0].items():
        torch.testing.assert_close(results[1][name], value, rtol=1e-9, atol=1e-9, msg=name)


def test_full_batches_and_packed_ones_agree():
    model = shared_model(SPECS[0])
    clips = [make_clip(6, seed=seed) for seed in range(3)]
    full_BK = model(*make_batch(clips, 6))
    packed_BK = model(*make_batch(clips, 7))
    torch.testing.assert_close(packed_BK, full_BK, rtol=0, atol=1e-10)


def test_every_frame_and_the_whole_map_reach_the_logits():
    model = shared_model(SPECS[2])
    frames_BTHW, lengths_B, _ = make_batch([make_clip(5, size=112)], 5)
    frames_BTHW.requires_grad_()
    model(frames_BTHW, lengths_B).sum().backward()
    reached_THW = frames_BTHW.grad[0] != 0
    assert reached_THW.flatten(1).any(1).all()
    assert reached_THW[:, -8:].any()
    assert reached_THW[:, :, -8:].any()


@pytest.mark.parametrize("size", [16, 28, 44, 88, 112])
@pytest.mark.parametrize("spec", [SPECS[0], SPECS[3]])
@torch.inference_mode()
def test_any_size_and_one_frame_work(spec, size):
    model = shared_model(spec)
    assert model(*make_batch([make_clip(1, size)], 1)).shape == (1, 7)


def test_embedding_is_what_the_classifier_sees():
    model = shared_model(SPECS[0])
    batch = make_batch([make_clip(3), make_clip(4)], 4)
    features_BC = model.embed(*batch)
    assert features_BC.shape == (2, 192)
    torch.testing.assert_close(model.classifier(features_BC), model(*batch))


@pytest.mark.parametrize(
    ("shape", "lengths", "message"),
    [
        ((1, 4, 15, 16), [4], "at least 16 x 16"),
        ((1, 1, 4, 32, 32), [4], "expected"),
        ((2, 4, 32, 32), [4], "expected one per clip"),
        ((2, 4, 32, 32), [4, 0], r"\[4, 0\] do not fit a batch of 4"),
        ((2, 4, 32, 32), [5, 1], "do not fit"),
    ],
)
def test_a_batch_that_does_not_fit_is_an_input_error(shape, lengths, message):
    model = shared_model(SPECS[0])
    with pytest.raises(InputError, match=message):
        model(torch.zeros(shape, dtype=torch.float64), torch.tensor(lengths))
