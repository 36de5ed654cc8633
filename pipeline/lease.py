"""A lease of a CUDA device: the stages of one machine share its GPUs, whoever began them."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

# The machine's, not the checkout's, and the same for all users: no TMPDIR of a job or a user.
LEASES = Path(os.environ.get("LIPNET_LEASES") or "/tmp/lipnet-leases")
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


def _open(path: Path) -> int:
    """A lock that every user may hold; never somebody else's file behind a link."""
    flags = os.O_CREAT | os.O_NOFOLLOW
    try:
        lock = os.open(path, os.O_RDWR | flags, 0o666)
    except PermissionError:  # made by another user: to lock it, reading is enough
        lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    if os.fstat(lock).st_uid == os.getuid():
        os.fchmod(lock, 0o666)
    return lock


def _take(devices: dict[str, torch.device]) -> tuple[int, torch.device] | None:
    """An open lock and its device; None where every lock is held."""
    if not LEASES.is_dir():
        LEASES.mkdir(parents=True, exist_ok=True)
        LEASES.chmod(0o1777)  # other users' stages wait for the same devices
    for name, device in devices.items():
        lock = _open(LEASES / f"{name}.lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return lock, device
    return None
