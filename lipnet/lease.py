"""A lease of a CUDA device, so that all programs on one machine share its GPUs."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from lipnet.device import use_device
from lipnet.errors import InputError
from lipnet.locks import lock_file

# One folder per machine, the same for every checkout and user: not $TMPDIR, which may differ.
LEASES = Path(os.environ.get("LIPNET_LEASES") or "/tmp/lipnet-leases")
POLL_SECONDS = 1.0


@contextmanager
def lease_device(*, poll_seconds: float = POLL_SECONDS) -> Iterator[torch.device]:
    """A CUDA device that no other stage or `lipnet` command on this machine uses, or as few as
    LIPNET_LEASES_PER_GPU allows; waits until one is free. It becomes the current device.

    Yields the CPU at once if there is no GPU. The lease ends with the process, even if it is
    killed.
    """
    devices, per_device = find_devices(), leases_per_device()
    if not devices:
        yield torch.device("cpu")
        return
    leased = _acquire(devices, per_device)
    if leased is None:
        waiting = f"waiting for a GPU: other programs use all {len(devices)}"
        print(waiting, file=sys.stderr, flush=True)  # standard output may be read by a program
    while leased is None:
        time.sleep(poll_seconds)
        leased = _acquire(devices, per_device)
    lock, device = leased
    use_device(device)
    try:
        yield device
    finally:
        os.close(lock)


def leases_per_device() -> int:
    """How many programs may share a device: LIPNET_LEASES_PER_GPU, or 1."""
    text = os.environ.get("LIPNET_LEASES_PER_GPU") or "1"
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"LIPNET_LEASES_PER_GPU is {text!r}; it must be a number from 1 up")
    return int(text)


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


def _acquire(devices: dict[str, torch.device], per_device: int) -> tuple[int, torch.device] | None:
    """An open lock and its device, the least used first; None if every device is in full use."""
    if not LEASES.is_dir():
        LEASES.mkdir(parents=True, exist_ok=True)
        LEASES.chmod(0o1777)  # programs of other users create locks here as well
    places = [
        f"{name}.{number}.lock" if number else f"{name}.lock"
        for number in range(per_device)
        for name in devices
    ]
    for place, device in zip(places, list(devices.values()) * per_device, strict=True):
        lock = _open(LEASES / place)
        if lock_file(lock, LEASES / place):
            return lock, device
        os.close(lock)
    return None
