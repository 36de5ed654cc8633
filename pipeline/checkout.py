"""The checkout is one worker's at a time: params.yaml and DVC's locks are shared by all in it.

`python -m pipeline.checkout COMMAND ...` runs a command that holds it until it ends.
"""

import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lipnet.errors import InputError
from pipeline.command import run_stage

HELD = "LIPNET_CHECKOUT_HELD"  # set for the commands of the one that holds it
LOCK = Path("data/tmp/checkout.lock")
PAUSE_SECONDS = 2.0
USAGE = "usage: python -m pipeline.checkout COMMAND [ARGUMENT ...]"


@contextmanager
def hold_checkout(*, wait: bool, tell: Callable[[str], object] = print) -> Iterator[int | None]:
    """Hold the checkout until the end, also for commands that are started meanwhile.

    Yields the lock's descriptor: the checkout stays held for as long as any process that inherits
    it lives, though the holder is killed. (DVC does, and waits for its stage; it does not hand
    the descriptor on.) None for a command of a holder, which needs no lock.
    Where somebody else holds it: wait for them, telling so, or InputError at once.
    """
    if os.environ.get(HELD):
        yield None
        return
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("w") as lock:
        _take(lock.fileno(), wait=wait, tell=tell)
        os.environ[HELD] = str(os.getpid())
        try:
            yield lock.fileno()
        finally:
            del os.environ[HELD]


def _take(lock: int, *, wait: bool, tell: Callable[[str], object]) -> None:
    told = False
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise InputError(
                    "another run works in this checkout and needs its params.yaml: wait for it, or "
                    "work in another clone"
                ) from None
        if not told:
            who = "another run, or a stage that one left behind,"
            tell(f"waiting: {who} works in this checkout")
            told = True
        time.sleep(PAUSE_SECONDS)


def main() -> None:
    """Become the command that the command line names, holding the checkout as long as it lives."""
    command = sys.argv[1:]
    program = shutil.which(command[0]) if command else None
    if program is None:
        raise InputError(f"no program {command[0]!r}; {USAGE}" if command else USAGE)
    with hold_checkout(wait=False) as lock:
        if lock is not None:
            os.set_inheritable(lock, True)
        os.execv(program, command)


if __name__ == "__main__":
    run_stage(main)
