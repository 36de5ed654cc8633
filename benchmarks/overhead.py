"""The overhead of orchestration: `dvc repro` and the flow, against the time of the stages alone.

    python -m benchmarks.overhead [--profile tiny] [--repeats 1]

Each runs all stages in its own clone of HEAD, one stage at a time, and the two alternate. The
time of the stages is that of their processes in the same run, interpreter start included; it is
recorded by a wrapper for `python` that comes first on DVC's PATH. The flow uses a temporary
Prefect server, as `make flow` does, with an existing database. It also publishes to MLflow, which
is timed separately after `dvc repro`. Last come the start-up times of some commands.
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
PUBLISHING = "publishing (part of the flow)"
START_COMMANDS = {
    "lipnet --help": ("lipnet", "--help"),
    "python -m stages.scratch --help": ("stages.scratch", "--help"),
    "a stage, until its first output": ("stages.scratch",),
}
TIMES = "times.txt"
TIMING_PYTHON = """\
#!/bin/sh
start=$(date +%s%N)
"{python}" "$@"
code=$?
echo $(($(date +%s%N) - start)) "$@" >> "{times}"
exit $code
"""


@dataclass(frozen=True)
class Taken:
    """Seconds of a whole run and of its stages' processes, and the number of stages."""

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
    print(f"profile {options.profile}, {options.repeats} run(s) of each, the median by ratio")
    print(f"{'':<34}{'whole s':>9}{'stages s':>10}{'ratio':>7}{'extra s per stage':>19}")
    for way, turns in ways.items():
        taken = sorted(turns, key=lambda turn: turn.ratio)[len(turns) // 2]
        more = (taken.whole - taken.own) / taken.stages
        print(f"{way:<34}{taken.whole:9.1f}{taken.own:10.1f}{taken.ratio:7.2f}{more:19.2f}")
    for name, seconds in others.items():
        print(f"{name:<34}{statistics.median(seconds):9.1f}")


def time_ways(
    folder: Path, profile: str, repeats: int
) -> tuple[dict[str, list[Taken]], dict[str, list[float]]]:
    """The times of each way, one per repeat, and the seconds of the other commands."""
    ways: dict[str, list[Taken]] = {way: [] for way in WAYS}
    others: dict[str, list[float]] = {}
    for turn in range(repeats):
        for way, command in WAYS.items():
            clone = make_clone(folder / f"{turn}-{way.replace(' ', '-')}", profile)
            run(clone, ("prefect", "server", "database", "upgrade", "--yes"))
            whole = run(clone, command)
            own = read_times(clone)
            ways[way].append(Taken(whole, sum(own), len(own)))
            if way == "dvc repro":
                run(clone, ("pipeline.leaderboard",))
                others.setdefault(PUBLISHING, []).append(run(clone, ("tracking.publish",)))
                for name, start in START_COMMANDS.items():
                    others.setdefault(name, []).append(run(clone, start, check=False))
            shutil.rmtree(clone)
    return ways, others


def read_times(clone: Path) -> list[float]:
    """Seconds of each stage's process."""
    lines = (clone / TIMES).read_text(encoding="utf-8").splitlines()
    return [int(line.split()[0]) / 1e9 for line in lines]


def make_clone(place: Path, profile: str) -> Path:
    """A clone of HEAD with the profile selected and no outputs."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(place)], check=True)
    run(place, ("pipeline.profile", profile))
    wrapper = place / "timing" / "python"
    wrapper.parent.mkdir()
    wrapper.write_text(TIMING_PYTHON.format(python=sys.executable, times=place / TIMES))
    wrapper.chmod(0o755)
    return place


def run(clone: Path, command: Sequence[str], *, check: bool = True) -> float:
    """Seconds to run a module of the clone, or the command `lipnet`."""
    program = [sys.executable, "-m", *command]
    if command[0] == "lipnet":
        program = [str(Path(sys.executable).with_name("lipnet")), *command[1:]]
    start = time.perf_counter()
    subprocess.run(
        program,
        cwd=clone,
        env=environment(clone),
        check=check,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def environment(clone: Path) -> dict[str, str]:
    """The environment of the commands: the stores of MLflow and Prefect are in the clone."""
    own = {
        "PATH": f"{clone / 'timing'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(clone),
        "MLFLOW_TRACKING_URI": f"sqlite:///{clone}/mlflow.db",
        "PREFECT_HOME": str(clone / "prefect"),
    }
    quiet = {"DVC_NO_ANALYTICS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    return {**os.environ, **own, **quiet}


if __name__ == "__main__":
    main()
