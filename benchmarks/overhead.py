"""What orchestration costs: a profile by `dvc repro` and by the flow, against its stages alone.

    python -m benchmarks.overhead [--profile tiny] [--repeats 1]

Each way makes everything anew in a clone of HEAD of its own, one stage at a time, and they take
turns. Alone: every stage's command one after the other, so its own work and one start of the
interpreter. The flow runs against a Prefect server of its own, as `make flow` does, and publishes
to MLflow, which the stages alone do not: that is timed apart, after `dvc repro`. Then: how long
until a command says anything.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import yaml

from benchmarks.compare import describe_machine

ROOT = Path(__file__).resolve().parents[1]
WAYS: Mapping[str, Sequence[str]] = {
    "dvc repro": ("dvc", "repro", "--quiet"),
    "the flow": ("flows.reproduce", "--parallel", "1"),
}
FIRST_WORDS = {
    "lipnet --help": ("lipnet", "--help"),
    "a stage, until it says anything": ("stages.scratch",),
}


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--profile", default="tiny")
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    print(describe_machine(torch.get_num_threads()))
    with TemporaryDirectory() as folder:
        seconds = time_ways(Path(folder), options.profile, options.repeats)
    alone = statistics.median(seconds["stages alone"])
    print(f"profile {options.profile}, medians of {options.repeats}")
    for way, taken in seconds.items():
        told = statistics.median(taken)
        print(f"{way:<28} {told:8.1f} s  {told / alone:5.2f} of the stages alone")


def time_ways(folder: Path, profile: str, repeats: int) -> dict[str, list[float]]:
    """Seconds of each way, once a turn."""
    seconds: dict[str, list[float]] = {"stages alone": []}
    commands: list[tuple[str, ...]] = []
    for turn in range(repeats):
        for way, command in WAYS.items():
            clone = make_clone(folder / f"{turn}-{way.replace(' ', '-')}", profile)
            seconds.setdefault(way, []).append(run(clone, command))
            if way == "dvc repro":
                publish = run(clone, ("stages.publish",))
                seconds.setdefault("publishing, in the flow too", []).append(publish)
            commands = commands or read_commands(clone)
            shutil.rmtree(clone)
        clone = make_clone(folder / f"{turn}-alone", profile)
        seconds["stages alone"].append(sum(run(clone, command) for command in commands))
        for name, command in FIRST_WORDS.items():
            seconds.setdefault(name, []).append(run(clone, command, check=False))
        shutil.rmtree(clone)
    return seconds


def make_clone(place: Path, profile: str) -> Path:
    """HEAD, at the profile, with nothing made."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(place)], check=True)
    run(place, ("stages.profile", profile))
    return place


def read_commands(clone: Path) -> list[tuple[str, ...]]:
    """Every stage's command in an order in which they can run, from what DVC has just run."""
    lock = yaml.safe_load((clone / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    order = subprocess.run(
        [sys.executable, "-c", "from flows.graph import *; print(*read_graph(Path()).order)"],
        cwd=clone,
        env=environment(clone),
        check=True,
        capture_output=True,
        text=True,
    )
    return [tuple(lock[stage]["cmd"].split()[2:]) for stage in order.stdout.split()]


def run(clone: Path, command: Sequence[str], *, check: bool = True) -> float:
    """Seconds that a module of the clone, or the command `lipnet`, takes."""
    program = [sys.executable, "-m", *command]
    if command[0] == "lipnet":
        program = [str(Path(sys.executable).with_name("lipnet")), *command[1:]]
    began = time.perf_counter()
    subprocess.run(
        program,
        cwd=clone,
        env=environment(clone),
        check=check,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


def environment(clone: Path) -> dict[str, str]:
    """No server of anyone's: MLflow's store and Prefect's home lie in the clone."""
    own = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(clone),
        "MLFLOW_TRACKING_URI": f"sqlite:///{clone}/mlflow.db",
        "PREFECT_HOME": str(clone / "prefect"),
    }
    quiet = {"DVC_NO_ANALYTICS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    return {**os.environ, **own, **quiet}


if __name__ == "__main__":
    main()
