"""The device that models run on, its precision, its memory, and copies from and to it."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Parameters of glibc's mallopt: when freed memory returns to the system, and when a block gets a
# mapping of its own.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
MAX_THRESHOLD = 2**31 - 1  # bytes; mallopt takes an int
ALIGNMENT = 16  # bytes; each tensor in a shared buffer starts at a multiple


def choose_device() -> torch.device:
    """The current CUDA device, or the CPU if there is none."""
    return with_index(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def with_index(device: torch.device) -> torch.device:
    """The same device; "cuda" without a number is the thread's current CUDA device."""
    if device.type != "cuda" or device.index is not None:
        return device
    return torch.device("cuda", torch.cuda.current_device())


def mixed_precision(device: torch.device) -> torch.autocast:
    """bfloat16 autocast on CUDA; no effect on other devices."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def free_bytes(device: torch.device | None) -> int:
    """Free memory of a CUDA device; 0 for any other device, which shares the host's memory."""
    if device is None or device.type != "cuda":
        return 0
    return int(torch.cuda.mem_get_info(device)[0])


def use_device(device: torch.device) -> None:
    """Make a CUDA device the thread's current one, so that nothing is allocated on another."""
    if device.type == "cuda":
        torch.cuda.set_device(device)


def send_together(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """CPU tensors on `device`. A CUDA device gets them in one copy, from one pinned buffer, and the
    host does not wait for it."""
    if device.type != "cuda":
        return [tensor.to(device) for tensor in tensors]
    sizes = [tensor.numel() * tensor.element_size() for tensor in tensors]
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + -(-size // ALIGNMENT) * ALIGNMENT)
    pinned = torch.empty(starts[-1], dtype=torch.uint8, pin_memory=True)
    places = list(zip(tensors, starts[:-1], sizes, strict=True))
    for tensor, start, size in places:
        pinned[start : start + size].view(tensor.dtype).view(tensor.shape).copy_(tensor)
    sent = pinned.to(device, non_blocking=True)
    return [
        sent[start : start + size].view(tensor.dtype).view(tensor.shape)
        for tensor, start, size in places
    ]


@dataclass(frozen=True)
class HostCopies:
    """Copies in the host's memory, which may not be complete before `wait` returns."""

    _tensors: Sequence[Tensor]
    _copied: torch.cuda.Event | None

    def is_ready(self) -> bool:
        """Whether `wait` would return at once."""
        return self._copied is None or bool(self._copied.query())  # type: ignore[no-untyped-call]

    def wait(self) -> list[Tensor]:
        """The copies, once they are complete; any thread may call it."""
        if self._copied is not None:
            self._copied.synchronize()
        return list(self._tensors)


def copy_to_host(tensors: Sequence[Tensor]) -> HostCopies:
    """Copies of the tensors as they are now. From a CUDA device the copies are queued, to pinned
    memory, and the host does not wait for them."""
    copies, copied = [], None
    for tensor in tensors:
        source = tensor.detach()
        if source.device.type != "cuda":
            copies.append(source.clone())
            continue
        # In the same memory layout: fused optimisers need that of the weights for their state.
        copies.append(
            torch.empty_strided(source.shape, source.stride(), dtype=source.dtype, pin_memory=True)
        )
        copies[-1].copy_(source, non_blocking=True)
        if copied is None:
            copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    if copied is not None:
        copied.record()
    return HostCopies(copies, copied)


def keep_freed_memory() -> bool:
    """Let this process reuse the memory that its tensors free; False if the C library cannot.

    By default glibc returns each large block to the system, which zeroes its pages when it is
    allocated again: a quarter of a training step on the CPU (benchmarks/training.py).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(MMAP_THRESHOLD, MAX_THRESHOLD) and mallopt(TRIM_THRESHOLD, MAX_THRESHOLD))
