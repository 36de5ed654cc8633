"""The recurrent heads against their equations, one clip at a time."""

import math

import pytest
import torch

from lipnet.models.build import build_empty, build_model
from lipnet.models.packing import find_valid_frames
from lipnet.models.recurrent import LastOutputHead, RecurrentHead
from lipnet.spec import ModelSpec
from tests.lipnet.models.test_lipreader import make_batch, make_clip, make_model

SPECS = ("resnet18_0.125x + bgru_12", "resnet18_0.125x + blstm_12")


def step_gru(gates_x, gates_h, state):
    """One GRU step from W x + b and U h + b, [3 * units] each; the new state is the output."""
    (reset_x, update_x, new_x), (reset_h, update_h, new_h) = gates_x.chunk(3), gates_h.chunk(3)
    reset, update = torch.sigmoid(reset_x + reset_h), torch.sigmoid(update_x + update_h)
    (hidden,) = state
    return ((1 - update) * torch.tanh(new_x + reset * new_h) + update * hidden,)


def step_lstm(gates_x, gates_h, state):
    """One LSTM step; the state is what comes out and the cell."""
    into, forget, new, out = (gates_x + gates_h).chunk(4)
    cell = torch.sigmoid(forget) * state[1] + torch.sigmoid(into) * torch.tanh(new)
    return torch.sigmoid(out) * torch.tanh(cell), cell


def run_direction(x_TC, weights, step, units):
    into, across, bias_x, bias_h = weights
    state = (torch.zeros(units, dtype=x_TC.dtype),) * 2
    state = state[: 1 if step is step_gru else 2]
    outs = []
    for x_C in x_TC:
        state = step(into @ x_C + bias_x, across @ state[0] + bias_h, state)
        outs.append(state[0])
    return torch.stack(outs)


def run_by_hand(head, x_TC, step, units):
    weights = list(head.parameters())
    for layer in range(2):
        ahead, back = weights[8 * layer : 8 * layer + 4], weights[8 * layer + 4 : 8 * layer + 8]
        forwards = run_direction(x_TC, ahead, step, units)
        backwards = run_direction(x_TC.flip(0), back, step, units).flip(0)
        x_TC = torch.cat((forwards, backwards), 1)
    return x_TC


@pytest.mark.parametrize(("name", "step"), [("bgru", step_gru), ("blstm", step_lstm)])
@pytest.mark.parametrize(("lengths", "steps"), [([4], 4), ([4, 4], 4), ([4], 6), ([2, 5, 1], 5)])
@torch.no_grad()
def test_each_clip_runs_through_two_layers_both_ways_from_its_own_ends(name, step, lengths, steps):
    torch.manual_seed(3)
    head = RecurrentHead(name, 6, units=3).double()
    clips = [torch.randn(length, 6, dtype=torch.float64) for length in lengths]
    valid = find_valid_frames(torch.tensor(lengths), steps=steps, device=torch.device("cpu"))
    out_NC = head(torch.cat(clips), valid)
    wanted_NC = torch.cat([run_by_hand(head, clip, step, 3) for clip in clips])
    assert head.features == out_NC.shape[1] == 6
    torch.testing.assert_close(out_NC, wanted_NC, rtol=0, atol=1e-12)


@pytest.mark.parametrize("spec", SPECS)
@torch.inference_mode()
def test_logits_are_the_same_alone_padded_and_in_any_batch(spec):
    model, clip = make_model(spec), make_clip(20)
    alone_K = model(*make_batch([clip], 20))[0]
    assert alone_K.std() > 0.01
    padded_K = model(*make_batch([clip], 29, filler=float("nan")))[0]
    neighbours = [make_clip(29), clip, make_clip(1), make_clip(7)]
    batched_K = model(*make_batch(neighbours, 40))[1]
    for other_K in (padded_K, batched_K):
        torch.testing.assert_close(other_K, alone_K, rtol=0, atol=1e-10)


@pytest.mark.parametrize("spec", SPECS)
def test_padding_changes_no_gradients_and_every_weight_has_one(spec):
    clips = [make_clip(5), make_clip(9)]
    gradients = []
    for steps in (9, 14):
        model = make_model(spec).train()
        model(*make_batch(clips, steps)).square().sum().backward()
        gradients.append({name: weight.grad for name, weight in model.named_parameters()})
    for name, gradient in gradients[0].items():
        assert gradient.any(), name
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-9, atol=1e-9, msg=name)


@torch.inference_mode()
def test_the_order_of_frames_matters():
    model, clip = make_model(SPECS[0]), make_clip(6)
    there_K, back_K = (model(*make_batch([each], 6))[0] for each in (clip, clip.flip(0)))
    assert (there_K - back_K).abs().max() > 1e-3


@pytest.mark.parametrize("head", ["bgru_64", "blstm_64"])
def test_initial_weights_are_uniform_and_drawn_from_the_generator(head):
    spec = ModelSpec.parse(f"resnet18_0.125x + {head}")
    first, same, other = (
        build_model(spec, 5, generator=torch.Generator().manual_seed(seed)).head.state_dict()
        for seed in (1, 1, 2)
    )
    bound = 1 / 8
    for name, weight in first.items():
        assert weight.abs().max() <= bound
        assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1), name
        assert torch.equal(weight, same[name])
        assert not torch.equal(weight, other[name])


def step_rnn(gates_x, gates_h, state):
    """One step of the plain recurrent layer."""
    return (torch.tanh(gates_x + gates_h),)


MANY_TO_ONE = ("rnn", "gru", "lstm")
STEPS = (step_rnn, step_gru, step_lstm)


@pytest.mark.parametrize(("name", "step"), list(zip(MANY_TO_ONE, STEPS, strict=True)))
@pytest.mark.parametrize(("lengths", "steps"), [([4, 4], 4), ([2, 5, 1], 6)])
@torch.no_grad()
def test_a_clips_last_output_forwards_is_its_output_at_every_frame(name, step, lengths, steps):
    torch.manual_seed(3)
    head = LastOutputHead(name, 6, units=3).double()
    clips = [torch.randn(length, 6, dtype=torch.float64) for length in lengths]
    valid = find_valid_frames(torch.tensor(lengths), steps=steps, device=torch.device("cpu"))
    wanted = []
    for x_TC in clips:
        first, second = list(head.parameters())[:4], list(head.parameters())[4:]
        out_TC = run_one_way(run_one_way(x_TC, first, step), second, step)
        wanted.append(out_TC[-1:].expand(len(x_TC), -1))
    torch.testing.assert_close(head(torch.cat(clips), valid), torch.cat(wanted))


def run_one_way(x_TC, weights, step):
    """`run_direction` for any of the three cells."""
    into, across, bias_x, bias_h = weights
    state = (torch.zeros(3, dtype=x_TC.dtype),) * (2 if step is step_lstm else 1)
    outs = []
    for x_C in x_TC:
        state = step(into @ x_C + bias_x, across @ state[0] + bias_h, state)
        outs.append(state[0])
    return torch.stack(outs)


@pytest.mark.parametrize("head", [*(f"{name}_12" for name in MANY_TO_ONE), "mean"])
@torch.inference_mode()
def test_heads_without_a_way_back_see_their_own_clip_alone(head):
    model, clip = make_model(f"resnet18_0.125x + {head}"), make_clip(5)
    alone_K = model(*make_batch([clip], 5))[0]
    assert alone_K.std() > 1e-4
    padded_K = model(*make_batch([clip], 8, filler=float("nan")))[0]
    batched_K = model(*make_batch([make_clip(7), clip, make_clip(1)], 9))[1]
    for other_K in (padded_K, batched_K):
        torch.testing.assert_close(other_K, alone_K, rtol=0, atol=1e-10)
    changed = clip.clone()
    changed[-1] += 1
    assert (model(*make_batch([changed], 8))[0] - alone_K).abs().max() > 1e-6


@pytest.mark.parametrize(
    ("head", "weights"),
    [("rnn_512", 1_050_624), ("gru_512", 3_151_872), ("lstm_512", 4_202_496), ("mean", 0)],
)
def test_weights_of_heads_behind_512_features(head, weights):
    spec = ModelSpec.parse(f"resnet18 + {head}")
    model = build_empty(spec, 5, device="meta")
    assert sum(weight.numel() for weight in model.head.parameters()) == weights
    assert model.head.features == 512
