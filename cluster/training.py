"""Processes that train one model together, started by Ray Train here or on a cluster."""

import importlib
import os
import shutil
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch

from cluster.connection import connect, uses_cluster
from lipnet.device import use_device
from lipnet.errors import FaultError, InputError, describe_os_error, may_pass
from lipnet.files import read_json, write_json
from lipnet.train.processes import Processes, ProcessGroup

MAX_FAILURES = 3  # lost processes or nodes; after each, all resume from the last checkpoint
POLL_SECONDS = 0.5  # how often the first process's output is read
RESULT, OUTPUT = "result.json", "output.txt"
Train = Callable[[Processes, torch.device], list[str]]


def train_together(train: Train, workers: int) -> list[str]:
    """Call `train` in `workers` processes; returns the result of the first process.

    Each process has a GPU if there are any. All run in the folder where the stage was started, on
    a disk that their nodes share. A lost process is replaced, and all resume from the last
    checkpoint. An InputError of `train` is raised here.
    """
    gpus = torch.cuda.is_available()
    _check_room(workers, gpus)
    folder = Path("data/tmp/together").absolute() / uuid.uuid4().hex[:12]
    folder.mkdir(parents=True)
    try:
        with connect(workers, gpus=workers if gpus else 0), _print_output(folder / OUTPUT):
            _run(train, workers, gpus, folder)
        return _read_result(folder / RESULT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(train: Train, workers: int, gpus: bool, folder: Path) -> None:
    os.environ["RAY_TRAIN_ENABLE_PRINT_PATCH"] = "0"  # else each line is printed twice
    ray_train: Any = importlib.import_module("ray.train")
    ray_torch: Any = importlib.import_module("ray.train.torch")
    trainer = ray_torch.TorchTrainer(
        _work,
        train_loop_config={"train": train, "home": os.getcwd(), "folder": str(folder)},
        torch_config=ray_torch.TorchConfig(backend="nccl" if gpus else "gloo"),
        scaling_config=ray_train.ScalingConfig(num_workers=workers, use_gpu=gpus),
        run_config=ray_train.RunConfig(
            name="train",
            storage_path=str(folder),
            failure_config=ray_train.FailureConfig(max_failures=MAX_FAILURES),
        ),
    )
    trainer.fit()


def _work(config: dict[str, Any]) -> None:
    """Run in each process, after Ray has initialised torch.distributed."""
    os.chdir(config["home"])
    folder = Path(config["folder"])
    if (folder / RESULT).exists():  # another process failed with an error, which ends all
        return
    ray_train: Any = importlib.import_module("ray.train")
    ray_torch: Any = importlib.import_module("ray.train.torch")
    # Ray sets one thread per process.
    local = ray_train.get_context().get_local_world_size()
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // local))
    # The strides of a 1x1 convolution's weights are ambiguous; nothing is copied because of it.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    processes = ProcessGroup()
    try:
        with _redirect_output(folder / OUTPUT if processes.rank == 0 else Path(os.devnull)):
            device = ray_torch.get_device()
            use_device(device)
            names = config["train"](processes, device)
    except (InputError, OSError) as error:
        line = str(error) if isinstance(error, InputError) else describe_os_error(error)
        if isinstance(error, OSError) and may_pass(error):
            raise FaultError(line) from error  # Ray restarts all, as for a lost process
        if line:
            # A retry would fail again, and the other processes may wait for this one. Raising ends
            # them; when Ray restarts all, they find this file and return.
            write_json(folder / RESULT, {"error": line})
        raise
    if processes.rank == 0:
        write_json(folder / RESULT, {"names": names})


@contextmanager
def _redirect_output(path: Path) -> Iterator[None]:
    """Write the output of this process to a file, which the stage prints."""
    with path.open("a", buffering=1) as output, redirect_stdout(output), redirect_stderr(output):
        yield


@contextmanager
def _print_output(path: Path) -> Iterator[None]:
    """Print what is appended to a file, until the end of the block."""
    ended = threading.Event()

    def follow() -> None:
        path.touch()
        with path.open() as output:
            last = False
            while not last:
                last = ended.wait(POLL_SECONDS)
                print(output.read(), end="", flush=True)

    thread = threading.Thread(target=follow, name="print-output")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _read_result(path: Path) -> list[str]:
    result = read_json(path)
    assert isinstance(result, dict)
    if "error" in result:
        raise InputError(str(result["error"]))
    return [str(name) for name in result["names"]]


def _check_room(workers: int, gpus: bool) -> None:
    """InputError if this machine has too few GPUs or cores, unless a cluster is used."""
    if uses_cluster():
        return
    available = torch.cuda.device_count() if gpus else len(os.sched_getaffinity(0))
    if workers > available:
        raise InputError(
            f"compute.workers is {workers}, but this machine has {available} "
            f"{'GPUs' if gpus else 'cores'}: lower it, or set RAY_ADDRESS to a cluster's address"
        )
