"""Commands that a flow runs: output line by line, and all their processes stopped with the flow."""

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KEPT_LINES = 400
# Signals to stop a process group, each with the seconds to wait; SIGINT lets DVC release its locks.
STOP_SIGNALS = ((signal.SIGINT, 20.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 3.0))


@dataclass(frozen=True)
class Outcome:
    """How a command ended; `lines` are the last lines that it printed, of both streams."""

    code: int
    lines: list[str]
    cancelled: bool


class Commands:
    """The commands that are running; `stop` ends them all, and no more can be started."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._inherited: tuple[int, ...] = ()

    def keep_open(self, descriptor: int | None) -> None:
        """Let further commands inherit this file descriptor, and so hold the lock on its file."""
        self._inherited = () if descriptor is None else (descriptor,)

    def run(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        on_line: Callable[[str], None],
    ) -> Outcome:
        """Run a command to its end, and call `on_line` with each line as it is printed."""
        kept: deque[str] = deque(maxlen=KEPT_LINES)
        process = self._start(command, folder, environment)
        if process is None:
            return Outcome(-signal.SIGINT, [], cancelled=True)
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if text := line.rstrip():
                    kept.append(text)
                    on_line(text)
            code = process.wait()
        except BaseException:
            _end_groups([process])
            raise
        finally:
            process.stdout.close()
            with self._lock:
                self._running.discard(process)
        return Outcome(code, list(kept), cancelled=self._stopped.is_set() and code != 0)

    def stop(self) -> None:
        """End all running commands and their child processes, in parallel: Prefect gives a
        cancelled flow 30 seconds."""
        with self._lock:
            self._stopped.set()
            running = list(self._running)
        _end_groups(running)

    def pause(self, seconds: float) -> bool:
        """Wait; returns False at once after `stop`."""
        return not self._stopped.wait(seconds)

    def _start(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> "subprocess.Popen[str] | None":
        with self._lock:
            if self._stopped.is_set():
                return None
            # In its own session, so that Ctrl-C reaches only the flow, which stops the group.
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
                pass_fds=self._inherited,
            )
            self._running.add(process)
        return process


def _end_groups(processes: Sequence["subprocess.Popen[str]"]) -> None:
    """Send each of STOP_SIGNALS to the process groups, until all have ended."""
    running = list(processes)
    for stop_signal, seconds in STOP_SIGNALS:
        running = [process for process in running if _signal_group(process, stop_signal)]
        deadline = time.monotonic() + seconds
        while running and time.monotonic() < deadline:
            time.sleep(0.1)
            running = [process for process in running if _signal_group(process, 0)]


def _signal_group(process: "subprocess.Popen[str]", number: int) -> bool:
    """Send a signal to a process group (0: only check); whether any process of it is left."""
    process.poll()  # else an ended leader remains as a zombie, which counts as running
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True
