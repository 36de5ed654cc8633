"""The checkout's lock: one run at a time uses its params.yaml and DVC's state.

`python -m pipeline.checkout COMMAND ...` runs a command and holds the lock until it ends.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lipnet.errors import InputError
from lipnet.locks import lock_file
from pipeline.program import run_program

HELD = "LIPNET_CHECKOUT_HELD"  # set for commands that are started while the lock is held
LOCK = Path("data/tmp/checkout.lock")
POLL_SECONDS = 2.0
USAGE = "usage: python -m pipeline.checkout COMMAND [ARGUMENT ...]"


@contextmanager
def lock_checkout(*, wait: bool, on_wait: Callable[[str], object] = print) -> Iterator[int | None]:
    """Hold the checkout's lock, also for commands that are started inside the block.

    Yields the lock's file descriptor. The lock is held as long as any process that inherits the
    descriptor runs, even if this process is killed. (DVC inherits it and waits for its stage, but
    does not pass it on.) Yields None if a parent process already holds the lock.
    If another run holds it: call `on_wait` with a message and wait, or InputError if not `wait`.
    """
    if os.environ.get(HELD):
        yield None
        return
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("w") as lock:
        _acquire(lock.fileno(), wait=wait, on_wait=on_wait)
        os.environ[HELD] = str(os.getpid())
        try:
            yield lock.fileno()
        finally:
            del os.environ[HELD]


def _acquire(lock: int, *, wait: bool, on_wait: Callable[[str], object]) -> None:
    notified = False
    while not lock_file(lock, LOCK):
        if not wait:
            raise InputError(
                "another run is using this checkout: wait until it ends, or use another clone"
            )
        if not notified:
            on_wait("waiting: another run, or a stage that it started, is using this checkout")
            notified = True
        time.sleep(POLL_SECONDS)


def main() -> None:
    """Replace this process with the given command, which then holds the lock until it ends."""
    command = sys.argv[1:]
    program = shutil.which(command[0]) if command else None
    if program is None:
        raise InputError(f"no program {command[0]!r}; {USAGE}" if command else USAGE)
    with lock_checkout(wait=False) as lock:
        if lock is not None:
            os.set_inheritable(lock, True)
        os.execv(program, command)


if __name__ == "__main__":
    run_program(main)
