"""A lease of a CUDA device, so that all stages on one machine share its GPUs."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

# One folder per machine, the same for every checkout and user: not $TMPDIR, which may differ.
LEASES = Path(os.environ.get("LIPNET_LEASES") or "/tmp/lipnet-leases")
POLL_SECONDS = 1.0


@contextmanager
def lease_device(*, poll_seconds: float = POLL_SECONDS) -> Iterator[torch.device]:
    """A CUDA device that no other stage on this machine uses; waits until one is free.

    Yields the CPU at once if there is no GPU. The lease ends with the process, even if it is
    killed.
    """
    devices = find_devices()
    if not devices:
        yield torch.device("cpu")
        return
    leased = _acquire(devices)
    if leased is None:
        print(f"waiting for a GPU: other stages use all {len(devices)}", flush=True)
    while leased is None:
        time.sleep(poll_seconds)
        leased = _acquire(devices)
    lock, device = leased
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
    """Open a lock file that every user may lock; does not follow a link to another file."""
    flags = os.O_CREAT | os.O_NOFOLLOW
    try:
        lock = os.open(path, os.O_RDWR | flags, 0o666)
    except PermissionError:  # another user made it; a lock needs only read access
        lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    if os.fstat(lock).st_uid == os.getuid():
        os.fchmod(lock, 0o666)
    return lock


def _acquire(devices: dict[str, torch.device]) -> tuple[int, torch.device] | None:
    """An open lock and its device; None if every device is in use."""
    if not LEASES.is_dir():
        LEASES.mkdir(parents=True, exist_ok=True)
        LEASES.chmod(0o1777)  # stages of other users create locks here as well
    for name, device in devices.items():
        lock = _open(LEASES / f"{name}.lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return lock, device
    return None
