"""Faults of the whole system while a lineage trains, each with the step that docs/operations.md
gives for it; a fault returns what it did."""

import os
import random
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext, suppress
from typing import Any
from uuid import UUID

import psutil
from prefect.client.schemas.objects import TERMINAL_STATES, StateType

from flows.servers import MLFLOW, Server, end_servers, mlflow_command, start_server, wait_until_up
from tests.e2e.checkout import Checkout
from tests.e2e.deployed import PATIENCE, Deployed, server_somewhere
from tests.e2e.faults import kill_group, on_small_disk, wait_until
from tests.e2e.retrained import (
    LINEAGE,
    MODELS,
    STAGE,
    count_epochs,
    is_trained,
    is_training,
)

Fault = Callable[[Checkout, random.Random], str]
LATER_SECONDS = 2.0  # the fault comes at most this long after training started
RWLOCK = ".dvc/tmp/rwlock"
STORE = "server.db"  # of MLflow's server, in the checkout
AWAY_SECONDS = 20.0  # a server is away for at most so long


class TooLateError(Exception):
    """The training was over before the fault."""


@contextmanager
def _deployed(checkout: Checkout) -> Iterator[tuple[Deployed, UUID]]:
    """The checkout deployed, and a run of its lineage that trains."""
    with Deployed.of(checkout) as made:
        made.start_worker()
        run = made.begin("train/lineage", lineage=LINEAGE, profile="tiny")
        wait_until(lambda: is_training(checkout))
        yield made, run


@contextmanager
def _repro(checkout: Checkout, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """`dvc repro` of the lineage, which trains; ended with all that it started."""
    process = checkout.start("dvc", "repro", STAGE, **environment)
    try:
        assert wait_until(lambda: is_training(checkout), process), process.communicate()[0]
        yield process
    finally:
        with process, suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _start_again(deployed: Deployed) -> None:
    """The documented step: the same run, started once more."""
    again = deployed.begin("train/lineage", lineage=LINEAGE, profile="tiny")
    output = deployed.wait_for(again, StateType.COMPLETED).message or ""
    assert output.startswith("5 stages"), output


def lose_worker(checkout: Checkout, draw: random.Random) -> str:
    """The Prefect worker is killed: another one is started, and the run again."""
    with _deployed(checkout) as (deployed, run):
        pause = _pause(checkout, draw)
        deployed.running["gpu"].kill()
        deployed.running["gpu"].wait()
        deployed.start_worker()
        state = deployed.wait_for(run, *TERMINAL_STATES).type
        if state != StateType.COMPLETED:
            _start_again(deployed)
    return f"worker killed {pause:.1f} s into the training, its run ended as {state.value.lower()}"


def lose_flow_run(checkout: Checkout, draw: random.Random) -> str:
    """The process of the flow run is killed: the run is started again."""
    with _deployed(checkout) as (deployed, run):
        pause = _pause(checkout, draw)
        (engine,) = psutil.Process(deployed.running["gpu"].pid).children()
        engine.kill()
        state = deployed.wait_for(run, *TERMINAL_STATES).type
        assert state == StateType.CRASHED
        _start_again(deployed)
    return f"process of the flow run killed {pause:.1f} s into the training"


def lose_prefect_server(checkout: Checkout, draw: random.Random) -> str:
    """Prefect's server is killed and comes back: the run is started again if it could not go on."""
    with _deployed(checkout) as (deployed, run):
        pause, away = _pause(checkout, draw), draw.uniform(0, AWAY_SECONDS)
        os.killpg(deployed.running["server"].pid, signal.SIGKILL)
        deployed.running["server"].wait()
        time.sleep(away)
        deployed.start_server()
        state = deployed.wait_for(run, *TERMINAL_STATES).type
        if state != StateType.COMPLETED:
            _start_again(deployed)
    output = f"server killed {pause:.1f} s into the training, away for {away:.0f} s"
    return f"{output}, the run ended as {state.value.lower()}"


def lose_machine(checkout: Checkout, draw: random.Random) -> str:
    """Everything is killed at once: server and worker are started again, and the run."""
    with _deployed(checkout) as (deployed, run):
        pause = _pause(checkout, draw)
        killed = restart_after_crash(deployed, run)
        _start_again(deployed)
    return f"{killed} processes killed {pause:.1f} s into the training"


def restart_after_crash(deployed: Deployed, run: UUID) -> int:
    """Kill everything at once while the run trains, and start server and worker again; the number
    of processes killed."""
    killed = deployed.kill_everything()
    for process in deployed.running.values():
        process.wait()
    deployed.start_server()
    deployed.start_worker()
    deployed.wait_for(run, StateType.RUNNING)  # no process was left to report the end
    return killed


def lose_dvc(checkout: Checkout, draw: random.Random) -> str:
    """DVC and its stage are killed, and leave DVC's locks behind: `dvc repro` again."""
    pause = _kill_dvc(checkout, draw)[1]
    checkout.run("dvc", "repro", STAGE)
    return f"DVC killed {pause:.1f} s into the training, with its locks held"


def leave_stale_lock(checkout: Checkout, draw: random.Random) -> str:
    """The same, and another process has the killed one's number: the lock is deleted by hand."""
    number, pause = _kill_dvc(checkout, draw)
    delete_stale_lock(checkout, number)
    checkout.run("dvc", "repro", STAGE)
    return f"DVC killed {pause:.1f} s into the training, its lock under a living process's number"


def delete_stale_lock(checkout: Checkout, number: int) -> None:
    """Give the lock of the killed DVC, process `number`, to a process that is alive; DVC then
    reports that one, until the lock is deleted."""
    lock = checkout.place / RWLOCK
    held = lock.read_text("utf-8")
    assert f'"pid": {number}' in held
    lock.write_text(held.replace(f'"pid": {number}', f'"pid": {os.getpid()}'), "utf-8")
    process = checkout.start("dvc", "repro", STAGE)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0, output
    assert f"is busy, it is being blocked by:\n  (PID {os.getpid()})" in output, output
    lock.unlink()


def _kill_dvc(checkout: Checkout, draw: random.Random) -> tuple[int, float]:
    """The number of the DVC that was killed while its stage trained, and after what time."""
    with _repro(checkout) as process:
        pause = _pause(checkout, draw)
        kill_group(process)
    assert f'"pid": {process.pid}' in (checkout.place / RWLOCK).read_text(encoding="utf-8")
    return process.pid, pause


def fill_disk(checkout: Checkout, draw: random.Random) -> str:
    """The disk has room for a part of the lineage only: the same command where there is room."""
    room = draw.randrange(20, 700)
    repro = shlex.join([sys.executable, "-m", "dvc", "repro", STAGE])
    # Not what DVC keeps in its cache, on another disk here: the stage's own files.
    command = on_small_disk(checkout.place / "data", room, repro, repro)
    process = checkout.start_program(command)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    assert "no space left on the disk" in output, output
    assert "Traceback" not in output, output
    return f"room for {room} KiB"


def lose_mlflow(checkout: Checkout, draw: random.Random) -> str:
    """MLflow's server is killed and comes back later: `publish` then brings what is missing."""
    return _train_without_mlflow(checkout, draw, there_at_start=True)


def start_without_mlflow(checkout: Checkout, draw: random.Random) -> str:
    """Training begins where MLflow cannot be reached: `publish` brings all of it later."""
    return _train_without_mlflow(checkout, draw, there_at_start=False)


def _train_without_mlflow(checkout: Checkout, draw: random.Random, *, there_at_start: bool) -> str:
    server = server_somewhere(MLFLOW)
    address = {"MLFLOW_TRACKING_URI": server.url}
    at_start = mlflow_at(checkout, server) if there_at_start else nullcontext()
    with at_start as first, _repro(checkout, **address) as process:
        when = "not there at the start"
        if first is not None:
            when = f"killed {_pause(checkout, draw):.1f} s into the training"
            os.killpg(first.pid, signal.SIGKILL)
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    assert "training continues" in output, output
    with mlflow_at(checkout, server):
        for command in (("dvc", "repro"), ("pipeline.leaderboard",), ("tracking.publish",)):
            process = checkout.start(*command, **address)
            output, _ = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, output
    check_epochs(checkout)
    return f"MLflow {when}; all epochs arrived"


@contextmanager
def mlflow_at(
    checkout: Checkout, server: Server, *, store: str = "", artifacts: str = ""
) -> Iterator["subprocess.Popen[Any]"]:
    """MLflow's server; its database and artifacts are in the checkout unless URLs are given."""
    command = mlflow_command(
        server,
        store or f"sqlite:///{checkout.place / STORE}",
        artifacts=artifacts or str(checkout.place / "artifacts"),
    )
    process = start_server(server, command, checkout.place / "mlflow.log")
    try:
        wait_until_up(server, process, checkout.place / "mlflow.log")
        yield process
    finally:
        end_servers([process])


def check_epochs(checkout: Checkout) -> None:
    """AssertionError unless each epoch of each generation is in MLflow's database once."""
    with closing(sqlite3.connect(checkout.place / STORE)) as base:
        rows = base.execute(
            "select t.value, m.step from metrics m join tags t on t.run_uuid = m.run_uuid "
            "where t.key = 'model' and m.key = 'by_epoch/val_top1'"
        ).fetchall()
    logged = sorted((model, step) for model, step in rows if model.startswith(f"{LINEAGE}-g"))
    wanted = [
        (f"{LINEAGE}-{folder.name}", epoch)
        for folder in sorted((checkout.place / MODELS).glob("g*"))
        for epoch in range(count_epochs(folder))
    ]
    assert logged == wanted
    assert len(wanted) > 2


def _pause(checkout: Checkout, draw: random.Random) -> float:
    """Wait for a drawn time of the training; how long it was, in seconds."""
    pause = draw.uniform(0, LATER_SECONDS)
    time.sleep(pause)
    if is_trained(checkout):
        raise TooLateError
    return pause


FAULTS: Mapping[str, Fault] = {
    "Prefect worker killed": lose_worker,
    "flow run killed": lose_flow_run,
    "Prefect server killed": lose_prefect_server,
    "machine lost": lose_machine,
    "MLflow server killed": lose_mlflow,
    "MLflow not there": start_without_mlflow,
    "DVC killed, locks left": lose_dvc,
    "DVC killed, lock stale": leave_stale_lock,
    "disk full": fill_disk,
}
