"""`lipnet doctor`: what to run first on a machine, and to attach to a bug report."""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lipnet.errors import InputError

if TYPE_CHECKING:
    import torch

    from lipnet.doctor.speed import Workload


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    doctor = verbs.add_parser("doctor", help="check this machine and its GPU (takes minutes)")
    doctor.add_argument("--report", type=Path, metavar="FILE", help="also write the report there")
    doctor.add_argument("--disk", type=Path, default=Path(), help="a folder on the disk to time")
    doctor.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Print the report as it is made; InputError at the end if a check failed."""
    from lipnet.files import write_atomic

    if not parsed.disk.is_dir():
        raise InputError(f"--disk {parsed.disk}: no such folder")
    if parsed.report is not None and not parsed.report.resolve().parent.is_dir():
        raise InputError(f"--report {parsed.report}: its folder does not exist")
    lines, failed = [], 0
    try:
        for line in make_report(parsed.disk):
            print(line, flush=True)
            lines.append(line)
            failed += "FAILED" in line
    finally:  # what was found until then is worth a report too
        if parsed.report is not None:
            with write_atomic(parsed.report) as temporary:
                temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if failed:
        raise InputError(f"{failed} of the checks failed: attach the report to an issue")


def make_report(disk: Path) -> Iterator[str]:
    """The report's lines: facts, and what is measured on a device that no other program uses."""
    from lipnet.doctor.facts import collect_facts
    from lipnet.lease import lease_device

    for name, text in collect_facts(disk, clock=time.perf_counter).items():
        yield f"{name:<12}{text}"
    with lease_device() as device:
        yield from measure(device)


def measure(device: "torch.device") -> Iterator[str]:
    """The lines of the device: checks, speed, and the rates for programs."""
    from lipnet.doctor.checks import run_checks
    from lipnet.doctor.facts import count_cores, name_device
    from lipnet.doctor.rates import Rates
    from lipnet.doctor.speed import WORKLOADS, measure_products, measure_training

    clock = time.perf_counter
    yield f"\nchecks on {device}"
    with tempfile.TemporaryDirectory() as folder:
        for check in run_checks(device, Path(folder)):
            yield check.line
    yield f"\nspeed on {device}"
    rates = []

    def multiply() -> str:
        rate = measure_products(device, clock=clock)
        return f"{'matrix products':<36}{rate / 1e12:.2f} T multiply-adds/s"

    def train(workload: "Workload") -> str:
        speed = measure_training(workload, device, clock=clock)
        rates.append(speed.rate)
        return speed.line

    yield _try_to("matrix products", multiply)
    for workload in WORKLOADS[device.type]:
        yield _try_to(workload.spec, partial(train, workload))
    if rates:
        yield f"\n{Rates(device.type, name_device(device), count_cores(), rates).line}"


def _try_to(name: str, measure: Callable[[], str]) -> str:
    """What is measured, as a line; an exception as one that failed: the others are still useful."""
    from lipnet.doctor.checks import Check, describe_exception

    try:
        return measure()
    except Exception as error:
        return Check(name, describe_exception(error)).line
