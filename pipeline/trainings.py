"""When, where and from which commit this checkout trained its models.

Tracked files must be equal on every machine, so none of them holds these facts: a file per model in
data/tmp, and report/trainings.csv, which the page is made from, are untracked.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lipnet.report.csv_rows import read_rows, write_rows
from lipnet.report.latencies import describe_machine
from lipnet.report.study import TRAININGS
from lipnet.report.trainings import TrainingRow
from pipeline.paths import Paths

if TYPE_CHECKING:
    import torch

CHOSEN = ("params.yaml", "dvc.lock")  # a checkout changes them when it selects a profile


def record_training(paths: Paths, row: TrainingRow) -> None:
    """Write down a training that was finished."""
    write_rows(paths.trainings / f"{row.fingerprint}.csv", TrainingRow, [row])


def collect_trainings(paths: Paths) -> None:
    """Add what was written down to trainings.csv of the report, where it outlives data/tmp."""
    place = paths.report / TRAININGS
    kept = read_rows(place, TrainingRow) if place.exists() else []
    rows = {row.fingerprint: row for row in [*kept, *_read_recorded(paths)]}
    if rows:
        ordered = sorted(rows.values(), key=lambda row: (row.model, row.finished))
        write_rows(place, TrainingRow, ordered)


def _read_recorded(paths: Paths) -> Iterator[TrainingRow]:
    for path in sorted(paths.trainings.glob("*.csv")):
        yield from read_rows(path, TrainingRow)


def add_up_epochs(lines: Path, fingerprint: str, epochs: int) -> float | None:
    """Seconds that a training's epochs took, by progress.jsonl: an epoch that was repeated counts
    once. None if one is missing, as after a kill between an epoch and its line or within an
    epoch."""
    seconds: dict[int, float | None] = {}
    for line in lines.read_text(encoding="utf-8").splitlines() if lines.exists() else []:
        try:
            found = json.loads(line)
        except ValueError:  # a line that a kill cut short
            continue
        if isinstance(found, dict) and found.get("fingerprint") == fingerprint:
            seconds[found["epoch"]] = found.get("epoch_seconds")
    known = [took for took in map(seconds.get, range(epochs)) if took is not None]
    return sum(known) if len(known) == epochs else None


def describe_commit() -> str:
    """The checkout's commit, and whether other tracked files than the parameters differ from it;
    "" if this is not a git checkout."""
    commit = _ask_git("rev-parse", "--short", "HEAD")
    ignored = (f":!{name}" for name in CHOSEN)
    changed = _ask_git("status", "--porcelain", "--untracked-files=no", "--", ".", *ignored)
    return f"{commit} with changes" if commit and changed else commit


def _ask_git(*arguments: str) -> str:
    """What git prints; "" if it fails or is not installed."""
    try:
        answer = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def describe_hardware(device: "torch.device", processes: int = 1) -> str:
    """The GPUs of a training, or the processor and the cores that it may use."""
    if device.type == "cuda":
        import torch  # slow to import, and already imported by a training

        name = torch.cuda.get_device_name(device)
    else:
        has_affinity = hasattr(os, "sched_getaffinity")
        cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
        name = f"{describe_machine()}, {cores} core{'s' * (cores != 1)}"
    return f"{processes} processes on {name}" if processes > 1 else name
