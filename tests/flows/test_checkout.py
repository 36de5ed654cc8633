"""Who works in a checkout holds it, and what a killed holder leaves at work goes on holding it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lipnet.errors import InputError
from pipeline.checkout import hold_checkout
from tests.contract.imports import ROOT

HOLDER = """
import sys
from pathlib import Path
from flows.command import Commands
from pipeline.checkout import hold_checkout
with hold_checkout(wait=True) as lock:
    commands = Commands()
    commands.bequeath(lock)
    commands.run(
        ["sh", "-c", "echo begun; cat fifo"],
        folder=Path(),
        environment={"PATH": "/usr/bin:/bin"},
        on_line=lambda line: print(line, flush=True),
    )
"""


def test_a_command_holds_the_checkout_though_its_flow_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["mkfifo", "fifo"], check=True)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
    ) as flow:
        assert flow.stdout is not None
        assert flow.stdout.readline() == "begun\n"
        flow.send_signal(signal.SIGKILL)
    with pytest.raises(InputError, match="works in this checkout"), hold_checkout(wait=False):
        pass
    Path("fifo").write_text("the command goes on, and ends\n")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with hold_checkout(wait=False):
                return
        except InputError:
            time.sleep(0.05)
    raise AssertionError("still held")


def test_a_command_holds_the_checkout_while_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [
        sys.executable,
        "-m",
        "pipeline.checkout",
        "sh",
        "-c",
        "echo begun; read line; exit 3",
    ]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        with pytest.raises(InputError, match="works in this checkout"), hold_checkout(wait=False):
            pass
        process.communicate("go on\n")
    assert process.returncode == 3
    with hold_checkout(wait=False):
        pass
    lost = [sys.executable, "-m", "pipeline.checkout", "no-such-program"]
    done = subprocess.run(lost, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: no program 'no-such-program'; usage: python -m")
