"""A command's lines come as it prints them, and it ends with all that it started."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from flows.command import Commands, Outcome

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
print("b" if Path(sys.argv[1]).exists() else "not heard", file=sys.stderr)
"""


def test_lines_of_both_streams_come_live(tmp_path: Path) -> None:
    answer = tmp_path / "heard"
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


def test_exit_code_is_kept() -> None:
    assert run(Commands(), "raise SystemExit(3)", []).code == 3


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
def test_output_that_is_not_text_does_no_harm(code: int) -> None:
    script = f"import sys; sys.stdout.buffer.write(b'\\xff ok\\n'); sys.exit({code})"
    assert "ok" in run(Commands(), script, []).lines[0]
