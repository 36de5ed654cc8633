"""Leases: one stage a device, the next one waits, and a killed stage leaves none behind."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import torch

from pipeline import lease
from pipeline.lease import lease_device

HOLD = """
import sys
from pathlib import Path
import torch
from pipeline import lease
lease.LEASES = Path(sys.argv[1])
lease.find_devices = lambda: {name: torch.device("cpu") for name in sys.argv[2:]}
with lease.lease_device(pause=0.05):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two devices, told apart by index, and leases of their own."""
    devices = {f"GPU-{index}": torch.device("cuda", index) for index in range(2)}
    monkeypatch.setattr(lease, "find_devices", lambda: devices)
    monkeypatch.setattr(lease, "LEASES", tmp_path / "leases")
    return tmp_path / "leases"


@contextmanager
def holder(place: Path, *devices: str) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds one of the devices."""
    command = [sys.executable, "-c", HOLD, str(place), *devices]
    with subprocess.Popen(
        command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield process
        process.kill()


def next_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_without_a_gpu_it_is_the_cpu_at_once() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with lease_device() as first, lease_device() as second:
        assert first == second == torch.device("cpu")


def test_each_holder_gets_a_device_of_its_own(place: Path) -> None:
    with ExitStack() as held:
        devices = {held.enter_context(lease_device()) for _ in range(2)}
    assert devices == {torch.device("cuda", 0), torch.device("cuda", 1)}
    with lease_device() as again:
        assert again == torch.device("cuda", 0)


@pytest.mark.slow
def test_another_process_waits_and_a_killed_one_frees(place: Path) -> None:
    with holder(place, "GPU-0") as first:
        assert next_line(first) == "held\n"
        with lease_device() as own:
            assert own == torch.device("cuda", 1)
        with holder(place, "GPU-0") as second:
            assert next_line(second) == "waiting for a GPU: other stages hold all 1\n"
            assert second.poll() is None
            first.kill()
            assert next_line(second) == "held\n"
