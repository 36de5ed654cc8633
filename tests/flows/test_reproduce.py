"""The flow walks the graph as DVC would, says what ran, and fails as a person would wish."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flows import reproduce as module
from flows.command import Outcome
from flows.graph import command_of, dvc_environment
from flows.walk import CACHED, RESTORED, SKIPPED, Walk, judge_outcome

FAILING = """
stages:
  top:
    cmd: mkdir -p o && echo 1 > o/top
    outs: [o/top]
  bad:
    cmd: "echo 'error: no clips in data/grid' >&2; exit 1"
    deps: [o/top]
    outs: [o/bad]
  after:
    cmd: cat o/bad > o/after
    deps: [o/bad]
    outs: [o/after]
  other:
    cmd: cat o/top > o/other
    deps: [o/top]
    outs: [o/other]
"""
SLOW = """
stages:
  slow:
    cmd: echo begun && sleep 60
    outs: [o]
"""
Repository = Callable[..., Path]
Walked = tuple[Any, dict[str, str]]


def prepare(folder: Path, monkeypatch: pytest.MonkeyPatch, preflight: str = "") -> None:
    """Stand-ins for the steps beside the stages, and a leaderboard."""
    steps = folder / "stages"
    steps.mkdir()
    (steps / "__init__.py").touch()
    (steps / "preflight.py").write_text(preflight or "print('all fits')\n")
    (steps / "publish.py").write_text("open('published', 'w').close()\n")
    report = folder / "data" / "tiny" / "report"
    report.mkdir(parents=True)
    (report / "leaderboard.csv").write_text("model,test_top1\na-g0,0.5\n")
    monkeypatch.setattr(module, "load_params", lambda: SimpleNamespace(profile="tiny"))
    monkeypatch.setattr(module, "Walk", SeenWalk)


class SeenWalk(Walk):
    """A walk that a test can look at afterwards."""

    latest: "SeenWalk"

    def go(self, parallel: int) -> None:
        SeenWalk.latest = self
        super().go(parallel)


def walk(**options: Any) -> Walked:
    """Run the flow; its final state, and the name of each stage's state."""
    state = module.reproduce(return_state=True, **options)
    return state, {name: ended.name or "" for name, ended in SeenWalk.latest.states.items()}


@pytest.mark.slow
@pytest.mark.usefixtures("_prefect")
def test_first_walk_makes_all_and_second_finds_all_unchanged(
    make_repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_repository()
    prepare(folder, monkeypatch)
    state, tasks = walk(parallel=2)
    assert state.is_completed()
    stages = ("top", "side@a", "side@b", "end")
    assert set(tasks) == set(stages)
    assert set(tasks.values()) == {"Completed"}
    assert (folder / "published").exists()
    state, tasks = walk()
    assert set(tasks.values()) == {CACHED}
    status = subprocess.run(
        command_of(["status", "--json"]), capture_output=True, env=dvc_environment(), check=True
    )
    assert json.loads(status.stdout) == {}
    _check_what_a_change_runs(folder)


def _check_what_a_change_runs(folder: Path) -> None:
    (folder / "source.txt").write_text("2\n")
    _, tasks = walk(profile="tiny")
    assert tasks["end"] == "Completed"
    assert (folder / "o" / "end").read_text() == "2\n2\n"
    (folder / "source.txt").write_text("1\n")
    _, tasks = walk()
    assert {tasks["top"], tasks["end"]} == {RESTORED}
    assert (folder / "o" / "end").read_text() == "1\n1\n"


@pytest.mark.slow
@pytest.mark.usefixtures("_prefect")
def test_failed_stage_skips_what_needs_it_and_says_why(
    make_repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_repository(FAILING)
    prepare(folder, monkeypatch)
    state, tasks = walk(parallel=2)
    assert state.is_failed()
    assert tasks["bad"] == "Failed"
    assert tasks["after"] == SKIPPED
    assert tasks["other"] == "Completed"
    assert state.message == (
        "bad failed:\nerror: no clips in data/grid\nnot run, because they need it: after"
    )
    assert not (folder / "published").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("_prefect")
def test_preflight_that_refuses_ends_the_flow_before_any_stage(
    make_repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_repository()
    prepare(folder, monkeypatch, preflight="raise SystemExit('error: 3 GB missing')\n")
    state = module.reproduce(return_state=True)
    assert state.message == "preflight failed:\nerror: 3 GB missing"
    assert not (folder / "o").exists()


@pytest.mark.slow
def test_interrupted_walk_leaves_no_process_and_no_lock(
    make_repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_repository(SLOW)
    script = (
        "from flows.command import Commands; from flows.graph import *; from pathlib import Path\n"
        "import os, signal, threading\n"
        # A shell's background job, and all under it, starts with this signal ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "commands = Commands()\n"
        "work = threading.Thread(target=lambda: print(commands.run(command_of(['repro', "
        "'--single-item', 'slow']), folder=Path(), environment=dvc_environment(), "
        "on_line=lambda line: print(line, flush=True))))\n"
        "work.start()\n"
        "try:\n    work.join()\n"
        "except KeyboardInterrupt:\n    commands.stop()\n    work.join()\n"
    )
    root = Path(module.__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            if line.startswith("begun"):
                break
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    process.wait(30)
    assert "cancelled=True" in rest
    assert time.monotonic() - began < 20
    locked = folder / ".dvc" / "tmp" / "rwlock"
    assert not locked.exists() or "slow" not in locked.read_text()


@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        (Outcome(0, ["Running stage 'a':", "> true"], cancelled=False), "Completed"),
        (Outcome(0, ["Stage 'a' didn't change, skipping"], cancelled=False), CACHED),
        (Outcome(0, ["Stage 'a' is cached - skipping run, checking"], cancelled=False), RESTORED),
        (Outcome(1, ["error: x"], cancelled=False), "Failed"),
        (Outcome(1, [], cancelled=True), "Cancelled"),
    ],
)
def test_final_state_says_whether_a_stage_ran(outcome: Outcome, name: str) -> None:
    assert judge_outcome(outcome, 1.0).name == name


def test_mlflow_link_is_a_servers_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    assert module.find_mlflow() == "http://tracking.example:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    assert module.find_mlflow() == "http://127.0.0.1:5000"
