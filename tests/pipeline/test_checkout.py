"""The checkout's lock: one run at a time holds it, until its last process ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lipnet.errors import InputError
from pipeline.checkout import HELD, lock_checkout
from tests.contract.imports import ROOT


def test_a_command_holds_the_lock_until_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    shell = ["sh", "-c", "echo started; read line; exit 3"]
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline.checkout", *shell],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        with pytest.raises(InputError, match="is using this checkout"), lock_checkout(wait=False):
            pass
        process.communicate("continue\n")
    assert process.returncode == 3
    with lock_checkout(wait=False):
        pass


def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipeline.checkout", "no-such-program"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: no program 'no-such-program'; usage: python -m")


def test_commands_of_the_holder_need_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with lock_checkout(wait=False) as outer:
        assert outer is not None
        assert HELD in os.environ
        with lock_checkout(wait=False) as inner:
            assert inner is None
    assert HELD not in os.environ
