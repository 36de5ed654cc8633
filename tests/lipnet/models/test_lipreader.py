"""A clip's logits depend on its own frames alone, whatever it is batched or padded with."""

import pytest
import torch

from lipnet.errors import InputError
from lipnet.models.build import build_model
from lipnet.spec import ModelSpec

SPECS = (
    "resnet18_0.25x + mstcn_0.75x + swish",
    "resnet34_0.125x + dsmstcn_0.75x + prelu",
    "shufflenetv2_0.5x + dstcn_0.5x + prelu",
    "shufflenetv2_0.5x + tcn_0.25x",
)


def make_model(spec=SPECS[0], n_classes=7):
    """A float64 model whose BatchNorms and biases are away from their initial values."""
    generator = torch.Generator().manual_seed(1)
    model = build_model(ModelSpec.parse(spec), n_classes, generator=generator).double()
    for name, tensor in model.state_dict().items():
        noise = torch.rand(tensor.shape, generator=generator)
        if name.endswith(("bias", "running_mean")):
            tensor.copy_(noise - 0.5)
        elif name.endswith("running_var"):
            tensor.copy_(noise + 0.5)
    return model.eval()


def make_clip(frames, size=32, seed=2):
    generator = torch.Generator().manual_seed(seed + 1000 * frames)
    return torch.randn(frames, size, size, generator=generator, dtype=torch.float64)


def make_batch(clips, steps, filler=99.0):
    """Clips padded to `steps` with a value that a leak would show."""
    frames_BTHW = torch.full((len(clips), steps, *clips[0].shape[1:]), filler, dtype=torch.float64)
    for row, clip in zip(frames_BTHW, clips, strict=True):
        row[: len(clip)] = clip
    return frames_BTHW, torch.tensor([len(clip) for clip in clips])


@pytest.mark.parametrize("spec", SPECS)
@torch.inference_mode()
def test_logits_are_the_same_alone_padded_and_in_any_batch(spec):
    model, clip = make_model(spec), make_clip(20)
    alone_K = model(*make_batch([clip], 20))[0]
    assert alone_K.std() > 0.01
    padded_K = model(*make_batch([clip], 29))[0]
    neighbours = [make_clip(29), clip, make_clip(1), make_clip(7)]
    batched_K = model(*make_batch(neighbours, 40))[1]
    not_a_number_K = model(*make_batch([clip], 29, filler=float("nan")))[0]
    for other_K in (padded_K, batched_K, not_a_number_K):
        torch.testing.assert_close(other_K, alone_K, rtol=0, atol=1e-10)


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
    model = make_model()
    clips = [make_clip(6, seed=seed) for seed in range(3)]
    full_BK = model(*make_batch(clips, 6))
    packed_BK = model(*make_batch(clips, 7))
    torch.testing.assert_close(packed_BK, full_BK, rtol=0, atol=1e-10)


def test_every_frame_and_the_whole_map_reach_the_logits():
    model = make_model(SPECS[2])
    frames_BTHW, lengths_B = make_batch([make_clip(5, size=112)], 5)
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
    model = make_model(spec)
    assert model(*make_batch([make_clip(1, size)], 1)).shape == (1, 7)


def test_embedding_is_what_the_classifier_sees():
    model = make_model()
    batch = make_batch([make_clip(3), make_clip(4)], 4)
    features_BC = model.embed(*batch)
    assert features_BC.shape == (2, 192)
    torch.testing.assert_close(model.classifier(features_BC), model(*batch))


@pytest.mark.parametrize(
    ("shape", "lengths", "told"),
    [
        ((1, 4, 15, 16), [4], "at least 16 x 16"),
        ((1, 1, 4, 32, 32), [4], "expected"),
        ((2, 4, 32, 32), [4], "one each"),
        ((2, 4, 32, 32), [4, 0], r"\[4, 0\] do not fit a batch of 4"),
        ((2, 4, 32, 32), [5, 1], "do not fit"),
    ],
)
def test_a_batch_that_does_not_fit_is_told(shape, lengths, told):
    model = make_model()
    with pytest.raises(InputError, match=told):
        model(torch.zeros(shape, dtype=torch.float64), torch.tensor(lengths))
