"""Leases: one program per device; the next one waits, and a killed one releases its device."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

import pytest
import torch

from lipnet import lease
from lipnet.errors import InputError
from lipnet.lease import lease_device

HOLD = """
import sys
from pathlib import Path
import torch
from lipnet import lease
lease.LEASES = Path(sys.argv[1])
lease.find_devices = lambda: {name: torch.device("cpu") for name in sys.argv[2:]}
with lease.lease_device(poll_seconds=0.05):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two fake devices, and a folder for their leases."""
    devices = {f"GPU-{index}": torch.device("cuda", index) for index in range(2)}
    monkeypatch.setattr(lease, "find_devices", lambda: devices)
    monkeypatch.setattr(lease, "LEASES", tmp_path / "leases")
    monkeypatch.setattr(lease, "use_device", lambda device: None)
    monkeypatch.delenv("LIPNET_LEASES_PER_GPU", raising=False)
    return tmp_path / "leases"


@contextmanager
def holder(place: Path, *devices: str) -> Iterator["subprocess.Popen[str]"]:
    """Another process that leases one of the devices."""
    command = [sys.executable, "-c", HOLD, str(place), *devices]
    with subprocess.Popen(
        command,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        yield process
        process.kill()


def next_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_without_a_gpu_the_cpu_is_yielded_at_once() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with lease_device() as first, lease_device() as second:
        assert first == second == torch.device("cpu")


def test_each_lease_is_of_another_device(place: Path) -> None:
    with ExitStack() as held:
        devices = {held.enter_context(lease_device()) for _ in range(2)}
    assert devices == {torch.device("cuda", 0), torch.device("cuda", 1)}
    with lease_device() as again:
        assert again == torch.device("cuda", 0)


def test_four_lineages_at_a_time_have_a_gpu_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    devices = {f"GPU-{index}": torch.device("cuda", index) for index in range(4)}
    monkeypatch.setattr(lease, "find_devices", lambda: devices)
    monkeypatch.setattr(lease, "LEASES", tmp_path / "leases")
    monkeypatch.setattr(lease, "use_device", lambda device: None)
    monkeypatch.delenv("LIPNET_LEASES_PER_GPU", raising=False)
    ended: list[torch.device] = []

    def train() -> None:
        with lease_device(poll_seconds=0.01) as device:
            ended.append(device)

    with ExitStack() as held:
        leased = {held.enter_context(lease_device()) for _ in range(4)}
        assert leased == set(devices.values())
        fifth = Thread(target=train)
        fifth.start()
        while "waiting for a GPU: other programs use all 4" not in capsys.readouterr().err:
            assert not ended
    fifth.join()
    assert ended[0] in leased


def test_small_models_may_share_devices(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIPNET_LEASES_PER_GPU", "2")
    with ExitStack() as held:
        indexes = [held.enter_context(lease_device()).index for _ in range(4)]
    assert indexes == [0, 1, 0, 1]


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_wrong_number_of_leases_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIPNET_LEASES_PER_GPU", text)
    with pytest.raises(InputError, match="LIPNET_LEASES_PER_GPU"), lease_device():
        pass


def test_a_leased_device_is_the_current_one(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[torch.device] = []
    monkeypatch.setattr(lease, "use_device", used.append)
    with lease_device() as device:
        assert used == [device]


@pytest.mark.slow
def test_a_process_waits_for_a_device_until_its_holder_is_killed(place: Path) -> None:
    with holder(place, "GPU-0") as first:
        assert next_line(first) == "held\n"
        with lease_device() as own:
            assert own == torch.device("cuda", 1)
        with holder(place, "GPU-0") as second:
            assert next_line(second) == "waiting for a GPU: other programs use all 1\n"
            assert second.poll() is None
            first.kill()
            assert next_line(second) == "held\n"
