"""A lineage that two processes train together, and the same one trained by a single process."""

import re
from collections.abc import Iterable
from pathlib import Path

import psutil
import torch
from safetensors.torch import load_file

from tests.e2e.checkout import Checkout
from tests.e2e.here import run_here
from tests.e2e.retrained import LINEAGE, MODELS

# By SGD: Adam would make a whole step of a gradient that is nothing but rounding.
CHANGES = (
    *("compute.workers=2", "+recipe.micro_batch=4", "recipe.optimiser=sgd", "recipe.lr=1e-2"),
    "compute.checkpoint_minutes=1e-6",  # so that there is time for a fault
)


def train_alone(together: Checkout, place: Path) -> Checkout:
    """A copy of the checkout, its lineage trained by this process with one thread."""
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


def select_workers(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those of the processes that train."""
    return [one for one in processes if _trains(one)]


def _trains(process: psutil.Process) -> bool:
    try:
        return (process.cmdline() or [""])[0].startswith("ray::RayTrainWorker")
    except psutil.Error:  # gone by now
        return False


def check_resumed(output: str) -> None:
    """The stage trained g0 in two parts, the second one from a checkpoint of the first."""
    assert output.count(f"{LINEAGE}-g0: resnet18") == 2, output
    assert output.count(f"{LINEAGE}-g0  epoch 1/2") <= 1, output


def check_same_weights(one: Checkout, other: Checkout) -> None:
    """Both have the same models up to the order of sums."""
    for name in ("g0", "g1"):
        ours, theirs = (
            load_file(made.place / MODELS / name / "weights.safetensors") for made in (one, other)
        )
        for tensor in ours:
            if ours[tensor].is_floating_point():  # BatchNorm also counts a process's own parts
                torch.testing.assert_close(theirs[tensor], ours[tensor], atol=1e-3, rtol=1e-3)
