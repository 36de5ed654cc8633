"""Latency of one clip on this machine's CPU or GPU, with a given number of threads."""
# B batch  T frames  H W pixels

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from lipnet.errors import InputError

MAX_THREADS = 1024
WARM_UPS = 5  # the first calls allocate memory and choose kernels


@dataclass(frozen=True)
class Latency:
    """Milliseconds for a batch of one clip: the median and the 95th percentile."""

    p50_ms: float
    p95_ms: float
    threads: int


def measure_latency(
    model: nn.Module, *, frames: int = 29, size: int = 88, threads: int = 1, repeats: int = 30
) -> Latency:
    """Time eval-mode forwards of one blank clip; torch's thread count is restored afterwards."""
    if min(frames, size, threads, repeats) < 1:
        raise InputError("latency: frames, size, threads and repeats must all be at least 1")
    if threads > MAX_THREADS:
        raise InputError(f"latency: {threads} threads; at most {MAX_THREADS}")
    device = next(model.parameters()).device
    frames_BTHW = torch.zeros(1, frames, size, size, device=device)
    lengths_B = torch.tensor([frames])
    word_BT = torch.ones(1, frames, device=device)
    was_training, was_threads = model.training, torch.get_num_threads()
    model.eval()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            for _ in range(WARM_UPS):
                model(frames_BTHW, lengths_B, word_BT)
            times = [_time_forward(model, frames_BTHW, lengths_B, word_BT) for _ in range(repeats)]
    finally:
        torch.set_num_threads(was_threads)
        model.train(was_training)
    p50, p95 = np.percentile(times, (50, 95))
    return Latency(p50_ms=float(p50), p95_ms=float(p95), threads=threads)


def _time_forward(model: nn.Module, *clip: torch.Tensor) -> float:
    start = time.perf_counter()
    # Reading a value back waits for the device, so queued work is counted.
    model(*clip).flatten()[0].item()
    return 1e3 * (time.perf_counter() - start)
