"""A model trained by two processes under Ray Train, one of which is lost at work."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from tests.e2e.checkout import Checkout
from tests.e2e.faults import wait_until
from tests.e2e.here import run_here
from tests.e2e.retrained import LINEAGE

pytestmark = pytest.mark.slow
# By SGD: Adam would make a whole step of a gradient that is nothing but rounding.
CHANGES = (
    *("+recipe.micro_batch=4", "recipe.optimiser=sgd", "recipe.lr=1e-2"),
    "compute.checkpoint_minutes=1e-6",  # so that there is time for a fault
)
MODELS, CHECKPOINTS = f"data/tiny/models/{LINEAGE}", f"data/tmp/tiny/models/{LINEAGE}"


def train_alone(together: Checkout, place: Path) -> Checkout:
    """A copy of the checkout, its lineage trained by this process."""
    alone = together.fork(place)
    path = place / "params.yaml"
    text, changes = re.subn(r"(?m)^  workers: 2$", "  workers: 1", path.read_text("utf-8"))
    assert changes == 1
    path.write_text(text, "utf-8")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run_here(alone.place, "stages.scratch", LINEAGE)
    finally:
        torch.set_num_threads(threads)
    return alone


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
    together = undisturbed.fork(tmp_path / "together")
    together.run("pipeline.profile", "tiny", "compute.workers=2", *CHANGES)
    alone = train_alone(together, tmp_path / "alone")
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
