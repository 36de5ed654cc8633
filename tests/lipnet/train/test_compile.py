"""Compiled training: one graph per part for any lengths, and only if a trial is faster."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lipnet.data.augment import draw, random_view
from lipnet.data.batch import ClipBatch, View
from lipnet.models.build import build_model
from lipnet.train import compile, loop
from lipnet.train.compile import PARTS, CompiledParts, Trial, try_compile
from lipnet.train.engine import Engine
from lipnet.train.loop import fit
from tests.lipnet.specs import keep_one_block_of_each_kind
from tests.lipnet.train.tiny import LABELS, RECIPE, SPEC, Minutes, Quiet, make_model, make_training

# torch's own warnings, about its compiler
pytestmark = pytest.mark.filterwarnings("ignore")
LENGTHS = range(9, 19)  # with fewer than 16 frames, torch has another convolution on a CPU
LONGEST = max(LENGTHS)


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


class Graphs:
    """A backend that runs graphs as they are, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, graph: torch.fx.GraphModule, inputs: Any) -> Callable[..., object]:
        self.count += 1
        return graph.forward


def make_view(longest: int, head_steps: int | None) -> View:
    """A view of two clips, of `longest` frames and of two less."""
    frames_BTHW = torch.randint(0, 256, (2, longest, 18, 18)).to(torch.uint8)
    lengths_B, words_B2 = torch.tensor([longest, longest - 2]), torch.tensor([[1, 3]] * 2)
    batch = ClipBatch(frames_BTHW, lengths_B, torch.tensor([0, 1]), words_B2)
    recipe = replace(RECIPE, batch=2, input_size=16, variable_length=False)
    return random_view(batch, draw(recipe, 2, epoch=0, step=0), recipe, head_steps=head_steps)


def run_lengths(model: nn.Module, head_steps: int | None) -> list[Tensor]:
    views = [make_view(longest, head_steps) for longest in LENGTHS]
    return [model(v.frames_BTHW, v.lengths_B, v.word_BT, v.valid) for v in views]


@pytest.mark.slow
def test_ten_lengths_share_one_graph_per_part() -> None:
    model, graphs = make_model().train(), Graphs()
    parts = CompiledParts(model, backend=graphs)
    assert not copy.deepcopy(model).frontend.compiled  # a copy is not compiled
    run_lengths(model, LONGEST)
    assert graphs.count == len(PARTS) + 1  # and the front end
    parts.turn(on=False)
    torch.compiler.reset()  # what is called again would be compiled again
    run_lengths(model, LONGEST)
    assert graphs.count == len(PARTS) + 1


def test_padding_the_head_changes_no_logit() -> None:
    model = make_model().eval()
    torch.manual_seed(0)
    plain = run_lengths(model, None)
    torch.manual_seed(0)
    padded = run_lengths(model, LONGEST)
    for one, two in zip(plain, padded, strict=True):
        torch.testing.assert_close(one, two)


def test_a_model_that_is_not_faster_is_not_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr(loop, "CompiledParts", compiled.append)
    for gain, useful in ((0.9, False), (1.6, True)):
        trial = Trial(gain)
        monkeypatch.setattr(loop, "try_compile", lambda *_, trial=trial, **__: trial)
        listener = Quiet()
        training = make_training(epochs=1, clips=8, engine=Engine(compile=True))
        fit(training, checkpoint=tmp_path / str(gain), facts={}, listener=listener)
        assert bool(compiled) == useful
        expected = f"on the first batch it is {gain:.2f}" if not useful else "compiled: 1.60 times"
        assert expected in (listener.notes if useful else listener.warnings)[0]


class Parts:
    """Stands for compiled parts; keeps whether they are on."""

    def __init__(self, model: nn.Module) -> None:
        self.turned = [True]

    def turn(self, *, on: bool) -> None:
        self.turned.append(on)


@pytest.mark.slow
@pytest.mark.parametrize(("compiled", "plain", "useful"), [(10.0, 16.0, True), (10.0, 9.0, False)])
def test_steps_of_the_first_epoch_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled: float, plain: float, useful: bool
) -> None:
    monkeypatch.setattr(loop, "try_compile", lambda *_, **__: Trial(1.3))
    monkeypatch.setattr(compile, "EPOCH_WARM_UP", 1)
    monkeypatch.setattr(compile, "EPOCH_TIMED", 1)
    made: list[Parts] = []
    monkeypatch.setattr(loop, "CompiledParts", lambda model: made.append(Parts(model)) or made[0])
    looks = iter((0.0, 0.0, compiled, 0.0, plain))  # the first one is the checkpoint's
    engine = Engine(compile=True, checkpoint_minutes=0, clock=lambda: next(looks, 0.0))
    listener = Quiet()
    training = make_training(epochs=2, engine=engine)  # four steps per epoch
    fit(training, checkpoint=tmp_path / "c", facts={}, listener=listener)
    reported = (listener.notes if useful else listener.warnings)[-1]
    assert f"{plain / compiled:.2f} times as fast" in reported
    assert "over 1 steps of the first epoch" in reported
    assert made[0].turned == [True, False, False, useful]


@pytest.mark.slow
def test_a_trial_measures_the_gain_on_copies() -> None:
    model, graphs = make_model().train(), Graphs()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trial = try_compile(model, make_view(8, LONGEST), clock=Minutes(), backend=graphs)
    assert trial == Trial(1.0)  # on this clock, everything takes the same time
    assert graphs.count == len(PARTS) + 1
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_model_that_cannot_be_compiled_is_reported() -> None:
    class Odd(nn.Module):
        def forward(self, maps: Tensor, valid: object) -> Tensor:
            raise RuntimeError("no such kernel")

    model = build_model(SPEC, LABELS)
    model.trunk = Odd()
    trial = try_compile(model, make_view(8, LONGEST), clock=Minutes(), backend="eager")
    assert "no such kernel" in str(trial)
    assert not trial.is_useful


@pytest.mark.slow
def test_a_compiled_model_learns_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "try_compile", lambda *_, **__: Trial(2.0))
    states = []
    for compiled in (False, True):
        listener = Quiet()
        # With SGD: Adam turns a gradient of mere rounding errors into a full step.
        engine = Engine(compile=compiled)
        training = make_training(epochs=1, clips=8, optimiser="sgd", lr=1e-2, engine=engine)
        keep_one_block_of_each_kind(training.model)
        for module in training.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # compiled, it draws other random numbers
        fit(training, checkpoint=tmp_path / str(compiled), facts={}, listener=listener)
        assert not listener.warnings
        states.append(training.model.state_dict())
    assert states[0].keys() == states[1].keys()
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, atol=2e-3, rtol=1e-3)
