"""The machine that trains: measured here, or a named GPU by its data sheet."""

import os
import time
from dataclasses import dataclass

from lipnet.errors import InputError
from pipeline.estimate import Machine

CALIBRATION_SECONDS = 0.3  # at least 15 convolutions on a CPU
MIN_CALIBRATIONS = 5  # the first ones on a GPU wait for its libraries
BUSY_CORES = 0.5  # of other processes, from which a machine counts as loaded
# Dense bfloat16 matrix products with float32 sums, 1e12 operations per second, by the data sheets.
PEAKS = {
    "h200": 989.0,
    "h100": 989.0,
    "a100": 312.0,
    "l40s": 362.0,
    "rtx4090": 165.0,
    "rtx3090": 71.0,
}
# The share of the peak that a plain convolution reaches, and the host's time per operation:
# assumed, no GPU was measured. A step of a small model is bound by the second.
CONVOLUTION_SHARE = 0.37
SECONDS_PER_OPERATION = 10e-6
# Unpacking `delta` (docs/results/speed.md), by at most 8 threads of a process.
CLIPS_PER_CORE_SECOND = 550.0
MAX_DECODERS = 8
GPU_CORES = 16  # of a machine with a named GPU, unless given


@dataclass(frozen=True)
class Rated:
    """A machine and where its rate comes from, in words."""

    machine: Machine
    origin: str


def rate_gpu(name: str, cores: int) -> Rated:
    """A machine with a GPU of that name; InputError lists the known ones."""
    if name not in PEAKS:
        raise InputError(
            f"--gpu {name}: known are {', '.join(PEAKS)}; for another one, give the rate that this "
            "command prints on its machine with --rate"
        )
    rate = CONVOLUTION_SHARE * PEAKS[name] * 1e3 / 2
    return Rated(
        make_gpu(cores, rate),
        f"{name}, estimated: {rate:,.0f} GMAC/s, {100 * CONVOLUTION_SHARE:.0f} % of its data "
        f"sheet's peak, and {1e6 * SECONDS_PER_OPERATION:.0f} us per operation; not measured",
    )


def rate_given(rate: float, cores: int) -> Rated:
    """A machine with a GPU that was measured elsewhere."""
    if not 0 < rate < float("inf"):
        raise InputError(f"--rate {rate}: multiply-adds per second / 1e9, above 0")
    return Rated(make_gpu(cores, rate), f"{rate:,.0f} GMAC/s as given")


def make_gpu(
    cores: int, rate: float, *, seconds_per_operation: float = SECONDS_PER_OPERATION
) -> Machine:
    """A machine with a GPU: a step also waits for the host and for clips."""
    return Machine(
        cores,
        rate,
        "cuda",
        seconds_per_operation=seconds_per_operation,
        clips_per_second=CLIPS_PER_CORE_SECOND * min(cores, MAX_DECODERS),
    )


def rate_this_machine() -> Rated:
    """This machine, measured; what it was measured under is part of the origin."""
    busy = count_busy_cores()
    measured = measure_machine()
    origin = (
        f"this machine ({measured.device}, {measured.cores} cores), measured now: "
        f"{measured.gmacs_per_second:,.0f} GMAC/s"
    )
    if busy > BUSY_CORES:
        origin += (
            f"; other processes used about {busy:.1f} cores at the time, and the estimate is for "
            "that load: measure again when the machine is idle"
        )
    return Rated(measured, origin)


def measure_machine() -> Machine:
    """The cores that this process may use, and the measured speed of a 3x3 convolution."""
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batch, channels, side = 1024 if device.type == "cuda" else 32, 64, 22
    conv = torch.nn.Conv2d(channels, channels, 3, padding=1, device=device)
    maps_NCHW = torch.zeros(batch, channels, side, side, device=device)
    gmacs = batch * channels * channels * 9 * side * side / 1e9
    durations: list[float] = []  # the fastest one counts: others were slowed by other processes
    # As in training: bfloat16 on a GPU, float32 on a CPU.
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, device.type == "cuda"):
        end = time.perf_counter() + CALIBRATION_SECONDS
        while len(durations) < MIN_CALIBRATIONS or time.perf_counter() < end:
            start = time.perf_counter()
            conv(maps_NCHW).sum().item()  # .item() waits for a GPU to finish
            durations.append(time.perf_counter() - start)
    rate = gmacs / min(durations)
    if device.type == "cuda":
        return make_gpu(count_cores(), rate)
    return Machine(count_cores(), rate)


def count_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def count_busy_cores() -> float:
    """How many cores other processes used on average during the last minute; 0 if not known."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def count_gpus() -> int:
    """The CUDA devices that this process may use."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
