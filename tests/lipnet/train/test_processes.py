"""Several processes train the same model as one process with the same micro-batches."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lipnet.errors import InputError
from lipnet.train.checkpoint import load_checkpoint
from lipnet.train.engine import Engine
from lipnet.train.history import EpochRecord
from lipnet.train.loop import fit
from lipnet.train.processes import OneProcess
from tests.lipnet.train.tiny import Minutes, Quiet, make_training

CHANGES = {"double": True, "micro_batch": 3, "clips": 29, "ema": 0.5}
WORLD = 2
ONE_OF_MANY = """
import os, sys, torch
import torch.distributed as dist
from pathlib import Path
from tests.lipnet.train import test_processes as t
torch.set_num_threads(1)
rank = int(os.environ["RANK"])
dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=t.WORLD)
t.train_one_of_many(Path(sys.argv[1]), rank, int(sys.argv[3]))
dist.destroy_process_group()
"""


def train_one_of_many(folder: Path, rank: int, stop: int) -> None:
    """Train as one process; it exits abruptly after `stop` batches."""
    from lipnet.train.processes import ProcessGroup

    left = [stop]

    def count(done: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            while not (folder / "c").exists():  # the main process's thread writes it
                time.sleep(0.01)
            os._exit(7)

    engine = Engine(processes=ProcessGroup(), checkpoint_minutes=2, clock=Minutes())
    training = make_training(engine=engine, **CHANGES)
    history = fit(training, checkpoint=folder / "c", facts={}, listener=Quiet(count))
    torch.save((training.model.state_dict(), [vars(r) for r in history]), folder / f"{rank}.pt")


def start(folder: Path, meeting: str, *, stop: int = 0) -> list[int]:
    command = [sys.executable, "-c", ONE_OF_MANY, str(folder), str(folder / meeting), str(stop)]
    started = [
        subprocess.Popen(command, env={**os.environ, "RANK": str(rank), "OMP_NUM_THREADS": "1"})
        for rank in range(WORLD)
    ]
    return [process.wait(timeout=300) for process in started]


def check(folder: Path, alone: tuple[dict[str, Tensor], list[EpochRecord]]) -> None:
    for rank in range(WORLD):
        state, records = torch.load(folder / f"{rank}.pt", weights_only=True)
        for name, tensor in alone[0].items():
            torch.testing.assert_close(state[name], tensor, atol=1e-9, rtol=0)
        for record, expected in zip(records, alone[1], strict=True):
            assert vars(expected) == pytest.approx(record, abs=1e-6)


@pytest.fixture(scope="module")
def alone(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[dict[str, Tensor], list[EpochRecord]]:
    training = make_training(**CHANGES)
    path = tmp_path_factory.mktemp("alone") / "c"
    history = fit(training, checkpoint=path, facts={}, listener=Quiet())
    return training.model.state_dict(), history


@pytest.mark.slow
def test_two_processes_match_one(
    tmp_path: Path, alone: tuple[dict[str, Tensor], list[EpochRecord]]
) -> None:
    assert start(tmp_path, "meeting") == [0, 0]
    check(tmp_path, alone)


@pytest.mark.slow
def test_two_processes_resume_from_the_checkpoint(
    tmp_path: Path, alone: tuple[dict[str, Tensor], list[EpochRecord]]
) -> None:
    assert start(tmp_path, "first", stop=3) == [7, 7]
    found = load_checkpoint(tmp_path / "c")
    assert found is not None
    assert found.step == 2
    assert start(tmp_path, "second") == [0, 0]
    check(tmp_path, alone)


class OneOfFour(OneProcess):
    world_size = 4


def test_fewer_micro_batches_than_processes_are_refused(tmp_path: Path) -> None:
    training = make_training(engine=Engine(processes=OneOfFour()), micro_batch=4)
    with pytest.raises(InputError, match=r"set recipe\.micro_batch to 2 or less"):
        fit(training, checkpoint=tmp_path / "c", facts={}, listener=Quiet())
