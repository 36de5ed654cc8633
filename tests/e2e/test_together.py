"""A model trained by two processes under Ray Train, one of which is lost at work."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from tests.e2e.checkout import Checkout
from tests.e2e.faults import wait_until

pytestmark = pytest.mark.slow
# By SGD: Adam would make a whole step of a gradient that is nothing but rounding.
CHANGES = (
    *("+recipe.micro_batch=4", "recipe.optimiser=sgd", "recipe.lr=1e-2"),
    "compute.checkpoint_minutes=1e-6",  # so that there is time for a fault
)
LINEAGE = "rn18-tcn"
MODELS, CHECKPOINTS = f"data/tiny/models/{LINEAGE}", f"data/tmp/tiny/models/{LINEAGE}"


def fork(undisturbed: Checkout, place: Path, workers: int) -> Checkout:
    """The tiny profile's shards, with models to be trained by that many processes."""
    checkout = undisturbed.fork(place)
    several = [f"compute.workers={workers}"] if workers > 1 else []  # 1 is the profile's
    checkout.run("pipeline.profile", "tiny", *several, *CHANGES)
    return checkout


@pytest.fixture(autouse=True)
def _two_cores() -> Iterator[None]:
    """So that each of two processes has one thread: another number sums in another order, from
    which a training this rough goes another way."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:2])
    yield
    os.sched_setaffinity(0, cores)


def find_workers(below: int) -> list[psutil.Process]:
    """The processes that train, below the stage's own."""
    return [one for one in psutil.Process(below).children(recursive=True) if _trains(one)]


def _trains(process: psutil.Process) -> bool:
    try:
        return (process.cmdline() or [""])[0].startswith("ray::RayTrainWorker")
    except psutil.Error:  # gone by now
        return False


def test_a_lost_process_is_replaced_and_the_model_is_that_of_one_process(
    undisturbed: Checkout, tmp_path: Path
) -> None:
    alone, together = (fork(undisturbed, tmp_path / str(n), n) for n in (1, 2))
    output, _ = alone.start("stages.scratch", LINEAGE, OMP_NUM_THREADS="1").communicate()
    assert "best validation" in output, output
    process = together.start("stages.scratch", LINEAGE)
    assert wait_until(lambda: any((together.place / CHECKPOINTS).glob("*.checkpoint")), process)
    assert wait_until(lambda: bool(find_workers(process.pid)), process)
    find_workers(process.pid)[0].kill()
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert output.count(f"{LINEAGE}-g0: resnet18") == 2, output  # it began again
    assert output.count(f"{LINEAGE}-g0  epoch 1/2") <= 1, output  # and went on
    for name in ("g0", "g1"):
        one, other = (
            load_file(made.place / MODELS / name / "weights.safetensors")
            for made in (alone, together)
        )
        for tensor in one:
            if one[tensor].is_floating_point():  # BatchNorm also counts a process's own parts
                torch.testing.assert_close(other[tensor], one[tensor], atol=1e-3, rtol=1e-3)
