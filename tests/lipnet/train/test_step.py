"""A step: the same update however its batch is cut, averages over parts, EMA, warnings."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lipnet.data.stream import Stream
from lipnet.distill.teacher import NoTeacher
from lipnet.models.build import build_model
from lipnet.train.compile import compile_parts
from lipnet.train.engine import Engine
from lipnet.train.loop import Training, fit
from lipnet.train.optim import build_optimiser
from lipnet.train.step import Stepper
from tests.lipnet.clips import make_store
from tests.lipnet.train.tiny import LABELS, RECIPE, SPEC, Double, Quiet, make_model, make_training


class Plain(nn.Module):
    """A model without BatchNorm or dropout: rows of pixels, averaged, through one layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layer = nn.Linear(RECIPE.input_size, LABELS)

    def forward(self, frames_BTHW: Tensor, lengths_B: Tensor, word_BT: Tensor) -> Tensor:
        rows_BH = frames_BTHW.sum((1, 3)) / lengths_B[:, None].to(frames_BTHW.dtype)
        out: Tensor = self.layer(rows_BH)
        return out


def fit_quietly(training: Training, path: Path) -> dict[str, Tensor]:
    fit(training, checkpoint=path, facts={}, listener=Quiet())
    return training.model.state_dict()


@pytest.mark.parametrize("micro_batch", [2, 3, 5])
def test_a_batch_in_parts_gives_the_same_update(micro_batch: int, tmp_path: Path) -> None:
    trained = []
    for micro in (0, micro_batch):
        training = replace(make_training(micro_batch=micro), model=Double(Plain()))
        trained.append(fit_quietly(training, tmp_path / str(micro)))
    for name, tensor in trained[0].items():
        torch.testing.assert_close(trained[1][name], tensor, atol=1e-12, rtol=0)


def test_running_averages_are_the_mean_of_what_each_part_alone_makes() -> None:
    recipe = replace(RECIPE, micro_batch=4, lr=1e-30)
    stream = Stream(make_store(8), recipe)
    parts = next(iter(stream.epoch(0)))
    alone = []
    for chosen in ([parts[0]], [parts[1]], parts):
        model = make_model(double=True)
        optimiser = build_optimiser(model, recipe)
        stepper = Stepper(model, model, optimiser, recipe, NoTeacher(), Engine())
        whole = [replace(part, weight=1 / len(chosen)) for part in chosen]
        stepper.step(whole, 0, 1e-30)
        alone.append({n: t for n, t in model.named_buffers() if "running" in n})
    assert alone[0]
    for name, together in alone[2].items():
        torch.testing.assert_close(together, (alone[0][name] + alone[1][name]) / 2)


def test_the_running_average_of_the_weights_is_what_is_kept(tmp_path: Path) -> None:
    training = make_training(ema=0.7, epochs=1)
    expected: list[dict[str, Tensor]] = []

    def follow(done: int) -> None:
        now = {name: p.detach().clone() for name, p in training.model.named_parameters()}
        if expected:
            now = {name: 0.7 * expected[-1][name] + 0.3 * p for name, p in now.items()}
        expected.append(now)

    fit(training, checkpoint=tmp_path / "c", facts={}, listener=Quiet(follow))
    kept = dict(training.model.named_parameters())
    for name, tensor in expected[-1].items():
        torch.testing.assert_close(kept[name].detach(), tensor)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lr": 0.5}, "is high for adamw and a batch of 8"),
        ({"optimiser": "sgd", "lr": 0.5}, "is high for sgd and a batch of 8"),
        ({"lr": 1e-9}, "hardly move"),
    ],
)
def test_a_learning_rate_that_is_absurd_is_told_before_training(
    changes: dict[str, object], told: str, tmp_path: Path
) -> None:
    heard = Quiet()
    training = make_training(epochs=1, clips=8, **changes)
    fit(training, checkpoint=tmp_path / "c", facts={}, listener=heard)
    assert told in heard.warnings[0]


def test_a_validation_at_chance_is_told(tmp_path: Path) -> None:
    heard = Quiet()
    training = make_training(epochs=6, clips=9, lr=1e-9)
    fit(training, checkpoint=tmp_path / "c", facts={}, listener=heard)
    assert any("validation is at chance after 6 epochs" in text for text in heard.warnings)


COMPILER = pytest.mark.filterwarnings("ignore")  # the compiler's own: of torch, in torch


@COMPILER
@pytest.mark.slow
def test_a_compiled_model_learns_as_it_would_have(tmp_path: Path) -> None:
    states = []
    for compiled in (False, True):
        heard = Quiet()
        # By SGD: Adam would make a whole step of a gradient that is nothing but rounding.
        engine = Engine(compile=compiled)
        training = make_training(epochs=1, clips=8, optimiser="sgd", lr=1e-2, engine=engine)
        for module in training.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # the compiler draws it otherwise
        fit(training, checkpoint=tmp_path / str(compiled), facts={}, listener=heard)
        assert not heard.warnings
        states.append(training.model.state_dict())
    assert states[0].keys() == states[1].keys()
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, atol=2e-3, rtol=1e-3)


@COMPILER
@pytest.mark.slow
def test_a_model_that_cannot_be_compiled_stays_as_it_was() -> None:
    class Odd(nn.Module):
        def forward(self, maps: Tensor, valid: object) -> Tensor:
            raise RuntimeError("no such kernel")

    model = build_model(SPEC, LABELS)
    model.trunk = Odd()  # the first part: nothing is compiled before it fails
    assert "no such kernel" in compile_parts(model, size=24)
