"""`lipnet doctor`: what to run first on a machine, and to attach to a bug report."""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lipnet.errors import InputError


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
    for line in make_report(parsed.disk):
        print(line, flush=True)
        lines.append(line)
        failed += "FAILED" in line
    if parsed.report is not None:
        with write_atomic(parsed.report) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if failed:
        raise InputError(f"{failed} of the checks failed: attach the report to an issue")


def make_report(disk: Path) -> Iterator[str]:
    """The report's lines: facts, checks, speed, and the rates for programs."""
    from lipnet.device import choose_device
    from lipnet.doctor.checks import run_checks
    from lipnet.doctor.facts import collect_facts, count_cores, name_device
    from lipnet.doctor.rates import Rates
    from lipnet.doctor.speed import WORKLOADS, measure_products, measure_training

    clock, device = time.perf_counter, choose_device()
    for name, text in collect_facts(disk, clock=clock).items():
        yield f"{name:<12}{text}"
    yield f"\nchecks on {device}"
    with tempfile.TemporaryDirectory() as folder:
        for check in run_checks(device, Path(folder)):
            yield check.line
    yield f"\nspeed on {device}"
    products = measure_products(device, clock=clock)
    yield f"{'matrix products':<36}{products / 1e12:.2f} T multiply-adds/s"
    rates = []
    for workload in WORKLOADS[device.type]:
        speed = measure_training(workload, device, clock=clock)
        yield speed.line
        rates.append(speed.rate)
    yield f"\n{Rates(device.type, name_device(device), count_cores(), rates).line}"
