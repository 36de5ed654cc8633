"""Ray on this machine alone: its servers listen on 127.0.0.1, connections need a token, and it is
stopped after the last job."""

import json
import os
import subprocess
import sys

import pytest

from cluster.connection import local_environment, set_environment
from tests.contract.imports import ROOT

# Maps jobs with two actors; prints the addresses that Ray's processes listen on, what a client
# without the token gets, and whether Ray still runs afterwards.
PROGRAM = """
import json, os, subprocess, sys
import psutil
from cluster.pool import map_jobs

CLIENT = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1])"
addresses, errors = set(), []

def make_worker():
    return lambda job: job + 1

def look(result):
    processes = psutil.Process().children(recursive=True)
    found = [(p.name(), c.laddr) for p in processes for c in p.net_connections("tcp")
             if c.status == psutil.CONN_LISTEN]
    addresses.update(address.ip.removeprefix("::ffff:") for _, address in found)
    if not errors:
        gcs = next(address.port for name, address in found if name == "gcs_server")
        own = {name: value for name, value in os.environ.items() if "RAY" not in name}
        environment = {**own, "RAY_AUTH_MODE": "disabled"}
        command = [sys.executable, "-c", CLIENT, f"127.0.0.1:{gcs}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        errors.append([done.returncode, done.stderr])

if __name__ == "__main__":
    assert map_jobs(make_worker, [1, 2], name="x", actors=2, on_result=look) == [2, 3]
    print(json.dumps([sorted(addresses), *errors[0], sys.modules["ray"].is_initialized()]))
"""


@pytest.mark.slow
def test_nothing_listens_to_other_machines_answers_without_the_token_or_outlives_the_jobs() -> None:
    environment = {name: value for name, value in os.environ.items() if "RAY" not in name}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    addresses, status, errors, runs = json.loads(done.stdout.splitlines()[-1])
    assert addresses == ["127.0.0.1"]
    assert status == 1
    assert "InvalidAuthToken" in errors
    assert not runs


def test_settings_of_the_user_win_and_ours_end_with_the_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    with set_environment(local_environment()):
        assert os.environ["RAY_AUTH_MODE"] == "disabled"
        assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_a_process_keeps_its_token() -> None:
    """Ray reads the token once per process, so a second start must use the same one."""
    assert local_environment() == local_environment()
