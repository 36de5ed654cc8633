"""A lease of a CUDA device: the stages of one machine share its GPUs, whoever began them."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

LEASES = Path(tempfile.gettempdir()) / "lipnet-leases"  # the machine's, not the checkout's
PAUSE_SECONDS = 1.0


@contextmanager
def lease_device(*, pause: float = PAUSE_SECONDS) -> Iterator[torch.device]:
    """A CUDA device that no other stage of this machine holds, waiting until one is free; the CPU,
    at once, where there is none. The lease ends with the process, however that ends."""
    devices = find_devices()
    if not devices:
        yield torch.device("cpu")
        return
    taken = _take(devices)
    if taken is None:
        print(f"waiting for a GPU: other stages hold all {len(devices)}", flush=True)
    while taken is None:
        time.sleep(pause)
        taken = _take(devices)
    lock, device = taken
    try:
        yield device
    finally:
        os.close(lock)


def find_devices() -> dict[str, torch.device]:
    """The CUDA devices that this process may use, by a name that is the same in every process."""
    if not torch.cuda.is_available():
        return {}
    devices = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    return {str(torch.cuda.get_device_properties(device).uuid): device for device in devices}


def _take(devices: dict[str, torch.device]) -> tuple[int, torch.device] | None:
    """An open lock and its device; None where every lock is held."""
    LEASES.mkdir(parents=True, exist_ok=True)
    with suppress(PermissionError):
        LEASES.chmod(0o777)  # another user's stages wait for the same devices
    for name, device in devices.items():
        lock = os.open(LEASES / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o666)
        with suppress(PermissionError):
            os.fchmod(lock, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return lock, device
    return None
