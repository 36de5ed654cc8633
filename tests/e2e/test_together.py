"""A model trained by two processes under Ray Train, one of which is lost at work."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.checkout import Checkout
from tests.e2e.faults import wait_until
from tests.e2e.retrained import LINEAGE, is_training
from tests.e2e.trained_together import (
    CHANGES,
    check_resumed,
    check_same_weights,
    select_workers,
    train_alone,
)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _two_cores() -> Iterator[None]:
    """So that each of two processes has one thread: another number sums in another order, from
    which a training this rough diverges."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:2])
    yield
    os.sched_setaffinity(0, cores)


def find_workers(below: int) -> list[psutil.Process]:
    """The processes that train, below the stage's own."""
    return select_workers(psutil.Process(below).children(recursive=True))


def test_a_lost_process_is_replaced_and_the_model_is_that_of_one_process(
    undisturbed: Checkout, tmp_path: Path
) -> None:
    together = undisturbed.fork(tmp_path / "together")
    together.run("pipeline.profile", "tiny", *CHANGES)
    alone = train_alone(together, tmp_path / "alone")
    process = together.start("stages.scratch", LINEAGE)
    assert wait_until(lambda: is_training(together), process)
    assert wait_until(lambda: bool(find_workers(process.pid)), process)
    find_workers(process.pid)[0].kill()
    output, _ = process.communicate()
    assert process.returncode == 0, output
    check_resumed(output)
    check_same_weights(alone, together)
