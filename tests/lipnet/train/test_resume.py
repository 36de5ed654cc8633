"""Interrupted at any step, by an exception or by kill -9, training ends with the same bits."""

import os
import random
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from lipnet.errors import InputError
from lipnet.train import checkpoint as checkpoints
from lipnet.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from lipnet.train.engine import Engine
from lipnet.train.history import EpochRecord
from lipnet.train.loop import Training, fit
from tests.lipnet.train.tiny import Minutes, Quiet, make_training

EVERY_2 = Engine(checkpoint_minutes=2, clock=Minutes())  # every two steps
STEPS = 8  # of the whole training: 29 clips in batches of 8, twice


def run(training: Training, path: Path, listener: Quiet | None = None) -> dict[str, Tensor]:
    return run_whole(training, path, listener)[0]


def run_whole(
    training: Training, path: Path, listener: Quiet | None = None
) -> tuple[dict[str, Tensor], list[EpochRecord]]:
    history = fit(training, checkpoint=path, facts={"f": 1}, listener=listener or Quiet())
    return training.model.state_dict(), history


class Undisturbed:
    """The result of a training without interruption."""

    def __init__(self, ema: float, state: dict[str, Tensor], history: list[EpochRecord]) -> None:
        self.ema, self.state, self.history = ema, state, history

    def __repr__(self) -> str:
        return f"Undisturbed({self.ema})"


@pytest.fixture(scope="module", params=[0.0, 0.9], ids=["plain", "ema"])
def undisturbed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Undisturbed:
    path = tmp_path_factory.mktemp("whole") / "c"
    return Undisturbed(
        request.param, *run_whole(make_training(engine=EVERY_2, ema=request.param), path)
    )


@pytest.mark.slow
@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, STEPS), min_size=1, max_size=3))
def test_stopped_after_any_steps_it_ends_with_the_same_bits(
    undisturbed: Undisturbed,
    tmp_path_factory: pytest.TempPathFactory,
    stops: list[int],
) -> None:
    ema = undisturbed.ema
    path = tmp_path_factory.mktemp("cut") / "c"
    for stop in stops:
        left = [stop]

        def count(done: int, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt

        training = make_training(engine=EVERY_2, ema=ema)
        try:
            run(training, path, Quiet(count))
        except KeyboardInterrupt:
            continue
    state, history = run_whole(make_training(engine=EVERY_2, ema=ema), path)
    assert all(torch.equal(state[name], tensor) for name, tensor in undisturbed.state.items())
    assert history == undisturbed.history


def test_checkpoints_are_written_within_an_epoch(tmp_path: Path) -> None:
    def stop(done: int) -> None:
        if done == 24:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(make_training(engine=EVERY_2), tmp_path / "c", Quiet(stop))
    found = load_checkpoint(tmp_path / "c")
    assert found is not None
    assert (found.step, found.history) == (2, [])


def write_checkpoint(path: Path, stop: int, late: Event | None = None) -> dict[str, Any]:
    """The fields of the last checkpoint of a training, resumed if there is one, that stops after
    `stop` further steps."""
    left = [stop]

    def count(done: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            if late:
                late.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(make_training(engine=EVERY_2, ema=0.9), path, Quiet(count))
    found = load_checkpoint(path)
    assert found is not None
    return {own.name: getattr(found, own.name) for own in fields(found)}


@pytest.mark.slow
def test_a_resumed_training_writes_the_same_checkpoints(tmp_path: Path) -> None:
    """Also what the weights do not depend on; in the second epoch, so that there is all of it."""
    whole = write_checkpoint(tmp_path / "whole", 7)
    assert write_checkpoint(tmp_path / "cut", 3)["step"] == 2
    resumed = write_checkpoint(tmp_path / "cut", 5)
    assert (whole["step"], len(whole["history"])) == (2, 1)
    lost = [name for name in whole if not are_equal(whole[name], resumed[name])]
    assert lost == [], "not in both _save and _resume of lipnet/train/loop.py"


@pytest.mark.slow
def test_a_checkpoint_holds_the_state_of_its_step_however_late_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, late, write = write_checkpoint(tmp_path / "c", 3), Event(), save_checkpoint

    def wait(path: Path, checkpoint: Checkpoint) -> None:
        late.wait()
        write(path, checkpoint)

    monkeypatch.setattr(checkpoints, "save_checkpoint", wait)
    delayed = write_checkpoint(tmp_path / "late", 3, late)
    changed = [name for name in delayed if not are_equal(delayed[name], at_once[name])]
    assert changed == []


def are_equal(first: object, second: object) -> bool:
    """Whether two trees have equal tensors and other values."""
    if isinstance(first, Tensor):
        return isinstance(second, Tensor) and torch.equal(first, second)
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(
            are_equal(own, second[name]) for name, own in first.items()
        )
    return first == second


def test_a_file_that_is_not_a_checkpoint_is_named(tmp_path: Path) -> None:
    run(make_training(epochs=1), tmp_path / "c")
    whole = (tmp_path / "c").read_bytes()
    for content in (b"", b"nothing", whole[: len(whole) // 2]):
        (tmp_path / "c").write_bytes(content)
        with pytest.raises(InputError, match=r"c is not a checkpoint .* delete it"):
            run(make_training(epochs=1), tmp_path / "c")


KILLED = """
import os, signal, sys
from pathlib import Path
from lipnet.train.engine import Engine
from tests.lipnet.train.test_resume import EVERY_2, run
from tests.lipnet.train.tiny import Quiet, make_training
left = int(sys.argv[2])
def count(done):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
run(make_training(engine=EVERY_2), Path(sys.argv[1]), Quiet(count))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, int(os.environ.get("FAULTS", "1")) + 1))
def test_killed_it_ends_with_the_same_bits(tmp_path: Path, number: int) -> None:
    seed = f"{os.environ.get('FAULTS_SEED', '1')}-{number}"
    step = random.Random(seed).randint(1, STEPS - 1)
    whole = run(make_training(engine=EVERY_2), tmp_path / "whole")
    command = [sys.executable, "-c", KILLED, str(tmp_path / "cut"), str(step)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    state = run(make_training(engine=EVERY_2), tmp_path / "cut")
    assert all(torch.equal(state[name], tensor) for name, tensor in whole.items())
    print(f"\nseed {seed}: kill -9 after step {step} of a training; weights equal")
