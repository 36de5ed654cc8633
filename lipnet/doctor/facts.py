"""Facts about a machine that a training depends on: versions, devices, memory, its disk's speed."""

import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from lipnet.doctor.checks import describe_exception

DISK_BYTES = 256 * 2**20  # written and read to time a disk
CHUNK = 2**22
MEMINFO = Path("/proc/meminfo")
Facts = dict[str, str]


def collect_facts(folder: Path, *, clock: Callable[[], float]) -> Facts:
    """Versions and hardware by name, each as text or as the exception that was raised instead;
    `folder` is on the disk that is timed."""
    facts: dict[str, Callable[[], str]] = {
        "system": _describe_system,
        "torch": lambda: torch.__version__,
        "cores": lambda: f"{count_cores()}, torch uses {torch.get_num_threads()} threads",
        "memory": lambda: f"{_available_memory() / 2**30:.1f} GiB available",
    }
    if torch.cuda.is_available():
        facts |= {"cuda": _describe_cuda, "nccl": _nccl_version, "driver": ask_driver}
        for index in range(torch.cuda.device_count()):
            facts[f"gpu {index}"] = partial(_describe_gpu, index)
    else:
        facts["gpu"] = _explain_no_gpu
    facts["disk"] = partial(_time_disk, folder, clock)
    return {name: _guard(find) for name, find in facts.items()}


def _guard(find: Callable[[], str]) -> str:
    try:
        return find()
    except Exception as error:
        return f"unknown: {describe_exception(error)}"


def count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


def name_device(device: torch.device) -> str:
    """The name of a GPU, or the architecture of the CPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()


def _describe_system() -> str:
    return f"{platform.system()} {platform.release()}, Python {platform.python_version()}"


def _describe_cuda() -> str:
    return f"{torch.version.cuda}, cuDNN {_cudnn_version()}"


def _describe_gpu(index: int) -> str:
    found = torch.cuda.get_device_properties(index)
    capability = f"compute capability {found.major}.{found.minor}"
    try:
        free, total = torch.cuda.mem_get_info(index)
    except RuntimeError as error:  # such as out of memory, if other processes use all of it
        return f"{found.name}, memory unknown: {describe_exception(error)}, {capability}"
    return f"{found.name}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free, {capability}"


def _nccl_version() -> str:
    if not torch.distributed.is_nccl_available():
        return "not part of this torch: several GPUs cannot train one model"
    version: tuple[int, ...] = torch.cuda.nccl.version()  # type: ignore[no-untyped-call]
    return ".".join(str(part) for part in version)


def _cudnn_version() -> str:
    return str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]


def _explain_no_gpu() -> str:
    if torch.version.cuda is None:
        return "none: this torch is built for CPUs only"
    return f"none that torch {torch.__version__} can use (driver: {ask_driver()})"


def ask_driver() -> str:
    """The version of NVIDIA's driver, by nvidia-smi."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return "unknown: no nvidia-smi"
    command = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        return f"unknown: {describe_exception(error)}"
    lines = found.stdout.split()
    return lines[0] if found.returncode == 0 and lines else "unknown: nvidia-smi failed"


def _available_memory() -> int:
    """Bytes that programs can have; the page cache gives way to them."""
    lines = MEMINFO.read_text(encoding="ascii").splitlines()
    [kibibytes] = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(kibibytes) * 1024


def _time_disk(folder: Path, clock: Callable[[], float]) -> str:
    """How fast a file is written, to the disk itself; the file is removed."""
    path, chunk = folder / f".doctor-{os.getpid()}.tmp", os.urandom(CHUNK)
    free = shutil.disk_usage(folder).free
    if free < 2 * DISK_BYTES:
        return f"{free / 2**30:.1f} GiB free: too few to time it"
    try:
        started = clock()
        with path.open("wb") as file:
            for _ in range(DISK_BYTES // CHUNK):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        seconds = max(clock() - started, 1e-9)
    finally:
        path.unlink(missing_ok=True)
    return f"{free / 2**30:.0f} GiB free, writes {DISK_BYTES / 1e6 / seconds:.0f} MB/s"
