"""Which device the models run on, in which precision, and what of its memory is free or kept."""

import ctypes

import torch

# Of glibc's mallopt: what is given back to the system when freed, and what never comes off the heap
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
MOST_KEPT = 2**31 - 1  # bytes; the most that mallopt takes


def choose_device() -> torch.device:
    """The first CUDA device, or the CPU where there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision(device: torch.device) -> torch.autocast:
    """bfloat16 autocast on CUDA; nothing elsewhere."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def free_bytes(device: torch.device | None) -> int:
    """Free memory of a CUDA device; 0 for any other, where clips lie in the machine's memory."""
    if device is None or device.type != "cuda":
        return 0
    return int(torch.cuda.mem_get_info(device)[0])


def keep_freed_memory() -> bool:
    """Let this process keep what its tensors free, for the next ones; whether that can be done.

    Else glibc hands each large piece back to the system, which zeroes it page by page when it is
    asked for again: a quarter of a training step on the CPU (benchmarks/training.py).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(MMAP_THRESHOLD, MOST_KEPT) and mallopt(TRIM_THRESHOLD, MOST_KEPT))
