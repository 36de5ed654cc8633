"""A command under a flow: its output line by line as it runs, its group ended with it."""

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
# How a group is asked to end, each with the seconds it is given; the first lets DVC free its locks.
FAREWELLS = ((signal.SIGINT, 20.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 3.0))


@dataclass(frozen=True)
class Outcome:
    """How a command ended; `lines` are the last it printed, both streams together."""

    code: int
    lines: list[str]
    cancelled: bool


class Commands:
    """The commands that run now; `stop` ends them all, and none is started after."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._inherited: tuple[int, ...] = ()

    def bequeath(self, descriptor: int | None) -> None:
        """Every command from now on keeps this file open until it ends, so also the lock on it."""
        self._inherited = () if descriptor is None else (descriptor,)

    def run(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        on_line: Callable[[str], None],
    ) -> Outcome:
        """Run to the end, each line given to `on_line` as it comes."""
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
        """End every running command with all that it started, all at once: whoever cancels a
        flow gives it 30 seconds."""
        with self._lock:
            self._stopped.set()
            running = list(self._running)
        _end_groups(running)

    def pause(self, seconds: float) -> bool:
        """Wait; False, at once, where all is to be stopped."""
        return not self._stopped.wait(seconds)

    def _start(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> "subprocess.Popen[str] | None":
        with self._lock:
            if self._stopped.is_set():
                return None
            # A session of its own: a Ctrl-C reaches the flow alone, which ends the group in order.
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
    """Ask the whole groups to end, ever less politely, until none of them is left."""
    left = list(processes)
    for farewell, seconds in FAREWELLS:
        left = [process for process in left if _signal_group(process, farewell)]
        deadline = time.monotonic() + seconds
        while left and time.monotonic() < deadline:
            time.sleep(0.1)
            left = [process for process in left if _signal_group(process, 0)]


def _signal_group(process: "subprocess.Popen[str]", number: int) -> bool:
    """Whether anything of the group was there to get the signal (0: none is sent)."""
    process.poll()  # else an ended leader stays as a zombie, which counts
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True
