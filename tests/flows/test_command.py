"""Commands: their lines arrive as they are printed, and they end with their child processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.command import Commands, Outcome
from lipnet.errors import InputError
from pipeline.checkout import lock_checkout
from tests.contract.imports import ROOT

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def run(commands: Commands, script: str, lines: list[str]) -> Outcome:
    command = [sys.executable, "-u", "-c", script]
    return commands.run(command, folder=Path(), environment=os.environ, on_line=lines.append)


ANSWERED = """
import sys, time
from pathlib import Path
print("a")
deadline = time.monotonic() + 60
while not Path(sys.argv[1]).exists() and time.monotonic() < deadline:
    time.sleep(0.01)
print("b" if Path(sys.argv[1]).exists() else "no answer", file=sys.stderr)
"""


def test_lines_of_both_streams_arrive_live(tmp_path: Path) -> None:
    answer = tmp_path / "received"
    outcome = Commands().run(
        [sys.executable, "-u", "-c", ANSWERED, str(answer)],
        folder=Path(),
        environment=os.environ,
        on_line=lambda _: answer.touch(),
    )
    assert outcome == Outcome(0, ["a", "b"], cancelled=False)


def test_progress_bars_without_newlines_are_lines_too() -> None:
    lines: list[str] = []
    run(Commands(), r"print('10 %\r50 %\r', end='')", lines)
    assert lines == ["10 %", "50 %"]


def test_the_exit_code_is_returned() -> None:
    assert run(Commands(), "raise SystemExit(3)", []).code == 3


@pytest.fixture
def _default_sigint() -> Iterator[None]:
    """A shell's background job starts with SIGINT ignored, and so would the processes of a test
    in it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_default_sigint")
def test_stop_ends_the_whole_group() -> None:
    commands = Commands()
    lines: list[str] = []
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(run(commands, PARENT, lines)))
    thread.start()
    while not lines:
        time.sleep(0.05)
    commands.stop()
    thread.join(15)
    assert outcomes[0].cancelled
    assert not is_alive(int(lines[0]))


def test_nothing_starts_after_stop() -> None:
    commands = Commands()
    commands.stop()
    assert run(commands, "print('never')", []) == Outcome(-2, [], cancelled=True)


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("code", [0, 1])
def test_output_that_is_not_utf8_is_accepted(code: int) -> None:
    script = f"import sys; sys.stdout.buffer.write(b'\\xff ok\\n'); sys.exit({code})"
    assert "ok" in run(Commands(), script, []).lines[0]


HOLDER = """
from pathlib import Path
from flows.command import Commands
from pipeline.checkout import lock_checkout
with lock_checkout(wait=True) as lock:
    commands = Commands()
    commands.keep_open(lock)
    commands.run(
        ["sh", "-c", "echo started; cat fifo"],
        folder=Path(),
        environment={"PATH": "/usr/bin:/bin"},
        on_line=lambda line: print(line, flush=True),
    )
"""


def test_a_command_holds_the_checkouts_lock_even_if_its_flow_is_killed(
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
        assert flow.stdout.readline() == "started\n"
        flow.send_signal(signal.SIGKILL)
    with pytest.raises(InputError, match="is using this checkout"), lock_checkout(wait=False):
        pass
    Path("fifo").write_text("the command continues, and ends\n")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with lock_checkout(wait=False):
                return
        except InputError:
            time.sleep(0.05)
    raise AssertionError("the lock is still held")
