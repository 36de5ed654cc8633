"""Checks of a device: the jobs, without a wait between steps, and equal results of equal runs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from lipnet.doctor.jobs import JOBS, Job, run_job


@dataclass(frozen=True)
class Check:
    """The result of one check; `failure` is empty if it passed."""

    name: str
    failure: str = ""
    note: str = ""

    @property
    def line(self) -> str:
        """The check as one line of a report."""
        result = f"FAILED: {self.failure}" if self.failure else self.note or "ok"
        return f"{self.name:<36}{result}"


def run_checks(device: torch.device, folder: Path) -> Iterator[Check]:
    """Every job, then the same job twice; files are in `folder`.

    On CUDA, torch raises an error for an operation between steps that makes the host wait.
    """
    for number, job in enumerate(JOBS):
        yield _guard(job.name, partial(_check_job, job, device, folder / str(number)))
    yield _guard("two equal trainings", lambda: check_determinism(device, folder))


def _guard(name: str, check: Callable[[], Check]) -> Check:
    """The check, or what its exception is: every other one is still worth a check."""
    try:
        return check()
    except Exception as error:
        return Check(name, describe_exception(error))


def describe_exception(error: Exception) -> str:
    """Its type and the first line of its text."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"


def _check_job(job: Job, device: torch.device, folder: Path) -> Check:
    run_job(job, device, folder, lambda on: forbid_waits(device, on))
    if job.recorded:  # again, with the recorded logits
        (folder / "checkpoint").unlink()
        run_job(job, device, folder, lambda on: forbid_waits(device, on))
    return Check(job.name)


def forbid_waits(device: torch.device, on: bool) -> None:
    """Let torch raise an error if the host waits for a CUDA device, or allow it again."""
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("error" if on else "default")


def check_determinism(device: torch.device, folder: Path) -> Check:
    """Whether two equal trainings give equal weights; a CPU must, a GPU may not."""
    one, two = (run_job(JOBS[0], device, folder / name) for name in ("one", "two"))
    worst = max(float((one[name].double() - two[name].double()).abs().max()) for name in one)
    if worst == 0:
        return Check("two equal trainings", note="equal, bit for bit")
    difference = f"weights differ by up to {worst:.1e}"
    if device.type == "cpu":
        return Check("two equal trainings", difference)
    return Check("two equal trainings", note=f"{difference}: this device is not deterministic")
