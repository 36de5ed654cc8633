"""The whole system under faults while a lineage trains: after the documented step the models are
an undisturbed run's, bit for bit.

`make faults` does each three times and more (FAULTS=n), at other moments with FAULTS_SEED=n.
`make test` leaves them out: it loses the machine in served/test_deployed.py, and kills DVC and
leaves a stale lock in test_tiny.py.
"""

import os
import random
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.checkout import Checkout
from tests.e2e.faults import can_mount
from tests.e2e.retrained import same_models
from tests.e2e.system import FAULTS, TooLateError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("FAULTS" not in os.environ, reason="a campaign of `make faults`"),
]
COUNT = max(3, int(os.environ.get("FAULTS", "0")) // len(FAULTS))
TOO_LATE = 5  # draws of a moment after which a training that was always faster is an error
SEED = os.environ.get("FAULTS_SEED", "1")


@pytest.mark.parametrize("number", range(1, COUNT + 1))
@pytest.mark.parametrize("fault", FAULTS)
def test_after_the_documented_step_the_models_are_those_of_an_undisturbed_run(
    untrained: Checkout, trained: Checkout, tmp_path: Path, fault: str, number: int
) -> None:
    if fault == "disk full" and not can_mount(tmp_path):
        pytest.skip("this user may not mount a small disk")
    started = time.monotonic()
    seed = f"{SEED}-{number}"
    draw = random.Random(f"{seed} {fault}")
    for attempt in range(TOO_LATE):
        checkout = untrained.fork(tmp_path / f"fault-{attempt}")
        with suppress(TooLateError):
            output = FAULTS[fault](checkout, draw)
            break
    else:
        raise AssertionError(f"trained {TOO_LATE} times before the fault")
    assert same_models(checkout, trained)
    seconds = time.monotonic() - started
    print(f"\nseed {seed}: {fault}: {output}; models equal after {seconds:.0f} s")
