"""What training by several processes returns and reports, with Ray Train replaced: a process that
fails is restarted once, in this process. (tests/e2e/test_together.py starts the real one.)"""

import contextlib
import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist

import cluster.training as training
from lipnet.errors import InputError
from lipnet.train.processes import Processes

Train = Callable[[Processes, torch.device], list[str]]


class FakeTrainer:
    """Calls the function of a process; after an error once more, as Ray does for a lost process."""

    def __init__(self, work: Callable[[Any], None], *, train_loop_config: Any, **_: object) -> None:
        self._work, self._config = work, train_loop_config

    def fit(self) -> None:
        try:
            self._work(self._config)
        except Exception:
            self._work(self._config)


@pytest.fixture(autouse=True)
def _one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    context = SimpleNamespace(get_local_world_size=lambda: 1)
    ignore = SimpleNamespace
    modules = {
        "ray.train": SimpleNamespace(
            get_context=lambda: context,
            ScalingConfig=ignore,
            RunConfig=ignore,
            FailureConfig=ignore,
        ),
        "ray.train.torch": SimpleNamespace(
            get_device=lambda: torch.device("cpu"), TorchTrainer=FakeTrainer, TorchConfig=ignore
        ),
    }
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training.importlib, "import_module", modules.__getitem__)
    monkeypatch.setattr(training, "connect", lambda *_, **__: contextlib.nullcontext())
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    dist.destroy_process_group()


def run(train: Train) -> list[str]:
    try:
        return training.train_together(train, 1)
    finally:
        assert not list(Path("data/tmp/together").iterdir())  # nothing is left behind


def test_the_first_process_returns_the_result_and_prints(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def train(processes: Processes, device: torch.device) -> list[str]:
        print(f"process {processes.rank} of {processes.world_size} on {device}")
        return ["g0", "g1"]

    assert run(train) == ["g0", "g1"]
    assert capsys.readouterr().out == "process 0 of 1 on cpu\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("no training clips: run the stage shards"), "no training clips: run the stage"),
        (OSError(28, "No space left on device", "g0.checkpoint"), "g0.checkpoint"),
    ],
)
def test_an_error_that_a_retry_would_repeat_is_raised_once(error: Exception, line: str) -> None:
    calls = []

    def train(*_: object) -> list[str]:
        calls.append(1)
        raise error

    with pytest.raises(InputError, match=line):
        run(train)
    assert len(calls) == 1


@pytest.mark.parametrize(
    "error", [RuntimeError("connection closed"), OSError(errno.ESTALE, "Stale file handle", "x")]
)
def test_after_a_fault_that_may_pass_the_next_process_returns_the_result(error: Exception) -> None:
    calls = []

    def train(*_: object) -> list[str]:
        calls.append(1)
        if len(calls) == 1:
            raise error
        return ["g0"]

    assert run(train) == ["g0"]
    assert len(calls) == 2
