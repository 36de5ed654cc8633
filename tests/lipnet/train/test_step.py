"""A step: the same update with any micro-batches, BatchNorm statistics, EMA, warnings."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lipnet.data.augment import central_view
from lipnet.data.stream import Stream
from lipnet.distill.teacher import NoTeacher
from lipnet.train.engine import Engine
from lipnet.train.loop import Training, fit
from lipnet.train.optim import build_optimiser
from lipnet.train.step import Stepper
from tests.lipnet.clips import make_store
from tests.lipnet.train.tiny import LABELS, RECIPE, Double, Quiet, make_model, make_training


class Plain(nn.Module):
    """A model without BatchNorm or dropout: rows of pixels, averaged, through one layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layer = nn.Linear(RECIPE.input_size, LABELS)

    def forward(
        self, frames_BTHW: Tensor, lengths_B: Tensor, word_BT: Tensor, valid: object = None
    ) -> Tensor:
        rows_BH = frames_BTHW.sum((1, 3)) / lengths_B[:, None].to(frames_BTHW.dtype)
        out: Tensor = self.layer(rows_BH)
        return out


def fit_quietly(training: Training, path: Path) -> dict[str, Tensor]:
    fit(training, checkpoint=path, facts={}, listener=Quiet())
    return training.model.state_dict()


@pytest.mark.parametrize("micro_batch", [2, 3, 5])
def test_micro_batches_give_the_same_update(micro_batch: int, tmp_path: Path) -> None:
    trained = []
    for micro in (0, micro_batch):
        training = replace(make_training(micro_batch=micro), model=Double(Plain()))
        trained.append(fit_quietly(training, tmp_path / str(micro)))
    for name, tensor in trained[0].items():
        torch.testing.assert_close(trained[1][name], tensor, atol=1e-12, rtol=0)


def test_running_statistics_are_the_mean_over_micro_batches() -> None:
    recipe = replace(RECIPE, micro_batch=4, lr=1e-30)
    stream = Stream(make_store(8), recipe)
    both = next(iter(stream.epoch(0)))
    found = []
    for chosen in ([both[0]], [both[1]], both):
        model = make_model(double=True)
        optimiser = build_optimiser(model, recipe)
        stepper = Stepper(model, model, optimiser, recipe, NoTeacher(), Engine())
        weighted = [replace(own, weight=1 / len(chosen)) for own in chosen]
        stepper.step(weighted, 0, 1e-30)
        counts = [t for n, t in model.named_buffers() if n.endswith("num_batches_tracked")]
        assert {int(count) for count in counts} == {len(chosen)}
        found.append({n: t for n, t in model.named_buffers() if "running" in n})
    assert found[0]
    for name, together in found[2].items():
        torch.testing.assert_close(together, (found[0][name] + found[1][name]) / 2)


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


def test_batchnorm_has_the_statistics_of_the_averaged_weights(tmp_path: Path) -> None:
    training = make_training(ema=0.95, epochs=1)
    fit(training, checkpoint=tmp_path / "c", facts={}, listener=Quiet())
    model, seen = training.model.eval(), dict[nn.BatchNorm2d, Tensor]()
    for layer in model.get_submodule("trunk").modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.register_forward_pre_hook(lambda layer, found: seen.update({layer: found[0]}))
    (batch,) = training.train.batches([torch.arange(len(training.train))])
    view = central_view(batch, training.recipe)
    with torch.no_grad():
        model(view.frames_BTHW, view.lengths_B, view.word_BT)
    assert len(seen) > 10
    for layer, found in seen.items():  # in eval mode by the running variance, which is unbiased
        var_C, mean_C = torch.var_mean(found, (0, 2, 3))
        torch.testing.assert_close(layer.running_mean, mean_C, rtol=0.05, atol=0.01)
        torch.testing.assert_close(layer.running_var, var_C, rtol=0.05, atol=0.01)


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"lr": 0.5}, "is high for adamw and a batch of 8"),
        ({"optimiser": "sgd", "lr": 0.5}, "is high for sgd and a batch of 8"),
        ({"lr": 1e-9}, "hardly change"),
    ],
)
def test_an_absurd_learning_rate_is_reported_before_training(
    changes: dict[str, object], warning: str, tmp_path: Path
) -> None:
    listener = Quiet()
    training = make_training(epochs=1, clips=8, **changes)
    fit(training, checkpoint=tmp_path / "c", facts={}, listener=listener)
    assert warning in listener.warnings[0]


@pytest.mark.slow
def test_a_validation_at_chance_is_reported(tmp_path: Path) -> None:
    listener = Quiet()
    training = make_training(epochs=6, clips=9, lr=1e-9)
    fit(training, checkpoint=tmp_path / "c", facts={}, listener=listener)
    assert any("validation is at chance after 6 epochs" in text for text in listener.warnings)
