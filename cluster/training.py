"""Several processes that train one model, as Ray Train starts them here or on a cluster."""

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

from cluster.pool import connect
from lipnet.errors import InputError
from lipnet.files import read_json, write_json
from lipnet.train.processes import Processes, ProcessGroup
from pipeline.command import describe_full_disk

MOST_FAILURES = 3  # processes or nodes that may be lost; each time all go on from the checkpoint
LOOK_SECONDS = 0.5  # how often the first process's words are looked for
ANSWER, WORDS = "answer.json", "words.txt"
Share = Callable[[Processes, torch.device], list[str]]


def train_together(share: Share, workers: int) -> list[str]:
    """What `share` returns in the first of `workers` processes, each with a GPU if there are any.

    All work in the folder where the stage was started, on a disk that their nodes share. A lost
    process is replaced, and all go on from the last checkpoint. InputError as `share` raised it.
    """
    gpus = torch.cuda.is_available()
    _check_room(workers, gpus)
    answers = Path("data/tmp/together").absolute() / uuid.uuid4().hex[:12]
    answers.mkdir(parents=True)
    try:
        with connect(workers, gpus=workers if gpus else 0), _repeat(answers / WORDS):
            _run(share, workers, gpus, answers)
        return _read_answer(answers / ANSWER)
    finally:
        shutil.rmtree(answers, ignore_errors=True)


def _run(share: Share, workers: int, gpus: bool, answers: Path) -> None:
    os.environ["RAY_TRAIN_ENABLE_PRINT_PATCH"] = "0"  # else each printed line comes twice
    train: Any = importlib.import_module("ray.train")
    train_torch: Any = importlib.import_module("ray.train.torch")
    trainer = train_torch.TorchTrainer(
        _work,
        train_loop_config={"share": share, "home": os.getcwd(), "answers": str(answers)},
        torch_config=train_torch.TorchConfig(backend="nccl" if gpus else "gloo"),
        scaling_config=train.ScalingConfig(num_workers=workers, use_gpu=gpus),
        run_config=train.RunConfig(
            name="train",
            storage_path=str(answers),
            failure_config=train.FailureConfig(max_failures=MOST_FAILURES),
        ),
    )
    trainer.fit()


def _work(config: dict[str, Any]) -> None:
    """One process's life: Ray has started torch.distributed already."""
    os.chdir(config["home"])
    answers = Path(config["answers"])
    if (answers / ANSWER).exists():  # another process's error, which ended all
        return
    train: Any = importlib.import_module("ray.train")
    train_torch: Any = importlib.import_module("ray.train.torch")
    # Ray leaves each process one thread.
    local = train.get_context().get_local_world_size()
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // local))
    # A 1x1 convolution's weights have two names for one layout; nothing is copied for it.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    processes = ProcessGroup()
    try:
        with _tell(answers / WORDS if processes.share.rank == 0 else Path(os.devnull)):
            names = config["share"](processes, train_torch.get_device())
    except (InputError, OSError) as error:
        line = str(error) if isinstance(error, InputError) else describe_full_disk(error)
        if line:
            # Tried again it would fail again. The others may wait for this one: raised, it ends
            # them, and started again all find the answer and end.
            write_json(answers / ANSWER, {"error": line})
        raise
    if processes.share.rank == 0:
        write_json(answers / ANSWER, {"names": names})


@contextmanager
def _tell(place: Path) -> Iterator[None]:
    """What this process prints goes to a file, for the stage to repeat."""
    with place.open("a", buffering=1) as words, redirect_stdout(words), redirect_stderr(words):
        yield


@contextmanager
def _repeat(place: Path) -> Iterator[None]:
    """Print what comes to be in a file, until the end."""
    ended = threading.Event()

    def follow() -> None:
        place.touch()
        with place.open() as words:
            last = False
            while not last:
                last = ended.wait(LOOK_SECONDS)
                print(words.read(), end="", flush=True)

    thread = threading.Thread(target=follow, name="repeat")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _read_answer(path: Path) -> list[str]:
    answer = read_json(path)
    assert isinstance(answer, dict)
    if "error" in answer:
        raise InputError(str(answer["error"]))
    return [str(name) for name in answer["names"]]


def _check_room(workers: int, gpus: bool) -> None:
    """InputError where this machine alone is to do it and has not enough."""
    if os.environ.get("RAY_ADDRESS", "") not in ("", "local"):
        return
    have = torch.cuda.device_count() if gpus else len(os.sched_getaffinity(0))
    if workers > have:
        raise InputError(
            f"compute.workers is {workers}, and this machine has {have} "
            f"{'GPUs' if gpus else 'cores'}: lower it, or set RAY_ADDRESS to a cluster's"
        )
