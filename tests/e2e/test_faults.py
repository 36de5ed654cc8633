"""Preprocessing under faults: after any of them, the outputs are an undisturbed run's.

`make faults` does it twenty times and more (FAULTS=n), at other moments with FAULTS_SEED=n.
"""

import os
import time
from pathlib import Path

import pytest

from tests.e2e.faults import can_mount
from tests.e2e.preprocessing import Preprocessing, disturb

pytestmark = pytest.mark.slow
COUNT = int(os.environ.get("FAULTS", "3"))
SEED = os.environ.get("FAULTS_SEED", "1")
FAULTS = [
    ("kill -9", "shards"), ("lost actor", "landmarks"), ("full disk", "shards"),
    ("kill -9", "landmarks"), ("lost actor", "shards"), ("full disk", "landmarks"),
]  # fmt: skip
DRAWN = [(number, *FAULTS[number % len(FAULTS)]) for number in range(COUNT)]


@pytest.mark.parametrize(
    ("number", "fault", "stage"), DRAWN, ids=[f"{n + 1} {f} in {s}" for n, f, s in DRAWN]
)
def test_outputs_after_a_fault_are_those_of_an_undisturbed_run(
    calm: Preprocessing, tmp_path: Path, number: int, fault: str, stage: str
) -> None:
    if fault == "full disk" and not can_mount(tmp_path):
        pytest.skip("this user may not mount a small disk")
    started = time.monotonic()
    seed = f"{SEED}-{number + 1}"
    output = disturb(calm, tmp_path, fault=fault, stage=stage, seed=seed)
    print(f"\nseed {seed}: {output}; outputs equal after {time.monotonic() - started:.0f} s")
