"""What orchestration costs: a profile by `dvc repro` and by the flow, against its stages' own work.

    python -m benchmarks.overhead [--profile tiny] [--repeats 1]

Either makes everything anew in a clone of HEAD of its own, one stage at a time, and they take
turns. The stages' own work is the time of their processes in that very run, interpreter start
included: a `python` before the real one on DVC's path notes it. The flow runs against a Prefect
server of its own, as `make flow` does, whose database is there already; and it publishes to MLflow:
that is timed apart, after `dvc repro`. Then: how long until a command says anything.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.compare import describe_machine

ROOT = Path(__file__).resolve().parents[1]
WAYS: Mapping[str, Sequence[str]] = {
    "dvc repro": ("dvc", "repro", "--quiet"),
    "the flow": ("flows.deployments", "--parallel", "1"),
}
PUBLISHING = "publishing, in the flow too"
FIRST_WORDS = {
    "lipnet --help": ("lipnet", "--help"),
    "python -m stages.scratch --help": ("stages.scratch", "--help"),
    "a stage, until it says anything": ("stages.scratch",),
}
NOTED = "noted.txt"
NOTING_PYTHON = """\
#!/bin/sh
began=$(date +%s%N)
"{python}" "$@"
code=$?
echo $(($(date +%s%N) - began)) "$@" >> "{noted}"
exit $code
"""


@dataclass(frozen=True)
class Taken:
    """Seconds of a whole reproduction, those of its stages' own processes, and how many."""

    whole: float
    own: float
    stages: int

    @property
    def ratio(self) -> float:
        return self.whole / self.own


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--profile", default="tiny")
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    print(describe_machine(torch.get_num_threads()))
    with TemporaryDirectory() as folder:
        ways, others = time_ways(Path(folder), options.profile, options.repeats)
    print(f"profile {options.profile}, {options.repeats} of each, the one of the median ratio")
    print(f"{'':<34}{'whole s':>9}{'stages s':>10}{'ratio':>7}{'more s a stage':>16}")
    for way, turns in ways.items():
        taken = sorted(turns, key=lambda turn: turn.ratio)[len(turns) // 2]
        more = (taken.whole - taken.own) / taken.stages
        told = f"{taken.whole:9.1f}{taken.own:10.1f}{taken.ratio:7.2f}{more:16.2f}"
        print(f"{way:<34}{told}")
    for name, seconds in others.items():
        print(f"{name:<34}{statistics.median(seconds):9.1f}")


def time_ways(
    folder: Path, profile: str, repeats: int
) -> tuple[dict[str, list[Taken]], dict[str, list[float]]]:
    """What each way took, once a turn; and seconds of the other commands."""
    ways: dict[str, list[Taken]] = {way: [] for way in WAYS}
    others: dict[str, list[float]] = {}
    for turn in range(repeats):
        for way, command in WAYS.items():
            clone = make_clone(folder / f"{turn}-{way.replace(' ', '-')}", profile)
            run(clone, ("prefect", "server", "database", "upgrade", "--yes"))
            whole = run(clone, command)
            own = read_noted(clone)
            ways[way].append(Taken(whole, sum(own), len(own)))
            if way == "dvc repro":
                others.setdefault(PUBLISHING, []).append(run(clone, ("tracking.publish",)))
                for name, words in FIRST_WORDS.items():
                    others.setdefault(name, []).append(run(clone, words, check=False))
            shutil.rmtree(clone)
    return ways, others


def read_noted(clone: Path) -> list[float]:
    """Seconds of each stage's process."""
    lines = (clone / NOTED).read_text(encoding="utf-8").splitlines()
    return [int(line.split()[0]) / 1e9 for line in lines]


def make_clone(place: Path, profile: str) -> Path:
    """HEAD, at the profile, with nothing made."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(place)], check=True)
    run(place, ("pipeline.profile", profile))
    noting = place / "noting" / "python"
    noting.parent.mkdir()
    noting.write_text(NOTING_PYTHON.format(python=sys.executable, noted=place / NOTED))
    noting.chmod(0o755)
    return place


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
        "PATH": f"{clone / 'noting'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(clone),
        "MLFLOW_TRACKING_URI": f"sqlite:///{clone}/mlflow.db",
        "PREFECT_HOME": str(clone / "prefect"),
    }
    quiet = {"DVC_NO_ANALYTICS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    return {**os.environ, **own, **quiet}


if __name__ == "__main__":
    main()
