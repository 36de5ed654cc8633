"""Latency of one clip on this machine's CPU or GPU, with a given number of threads."""
# B batch  T frames  H W pixels

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

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
    was_training = model.training
    model.eval()
    try:
        return measure_forward(
            model,
            next(model.parameters()).device,
            frames=frames,
            size=size,
            threads=threads,
            repeats=repeats,
        )
    finally:
        model.train(was_training)


def measure_forward(
    forward: Callable[..., Tensor],
    device: torch.device,
    *,
    frames: int = 29,
    size: int = 88,
    threads: int = 1,
    repeats: int = 30,
) -> Latency:
    """The same for any function of frames, lengths and word; if it does not run in torch, it has
    to be made for as many `threads`."""
    check_latency(frames=frames, size=size, threads=threads, repeats=repeats)
    frames_BTHW = torch.zeros(1, frames, size, size, device=device)
    clip = (frames_BTHW, torch.tensor([frames]), torch.ones(1, frames, device=device))
    was_threads = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            for _ in range(WARM_UPS):
                forward(*clip)
            times = [_time_forward(forward, *clip) for _ in range(repeats)]
    finally:
        torch.set_num_threads(was_threads)
    p50, p95 = np.percentile(times, (50, 95))
    return Latency(p50_ms=float(p50), p95_ms=float(p95), threads=threads)


def check_latency(*, frames: int, size: int, threads: int, repeats: int = 1) -> None:
    """InputError for a measurement that cannot be made."""
    if min(frames, size, threads, repeats) < 1:
        raise InputError("latency: frames, size, threads and repeats must all be at least 1")
    if threads > MAX_THREADS:
        raise InputError(f"latency: threads must be at most {MAX_THREADS}, not {threads}")


def _time_forward(forward: Callable[..., Tensor], *clip: Tensor) -> float:
    start = time.perf_counter()
    # Reading a value back waits for the device, so queued work is counted.
    forward(*clip).flatten()[0].item()
    return 1e3 * (time.perf_counter() - start)
