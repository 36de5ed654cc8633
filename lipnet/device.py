"""The device that models run on, its precision and its memory."""

import ctypes

import torch

# Parameters of glibc's mallopt: when freed memory returns to the system, and when a block gets a
# mapping of its own.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
MAX_THRESHOLD = 2**31 - 1  # bytes; mallopt takes an int


def choose_device() -> torch.device:
    """The first CUDA device, or the CPU if there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision(device: torch.device) -> torch.autocast:
    """bfloat16 autocast on CUDA; no effect on other devices."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def free_bytes(device: torch.device | None) -> int:
    """Free memory of a CUDA device; 0 for any other device, which shares the host's memory."""
    if device is None or device.type != "cuda":
        return 0
    return int(torch.cuda.mem_get_info(device)[0])


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
