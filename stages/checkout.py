"""The checkout is one worker's at a time: params.yaml and DVC's locks are shared by all in it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lipnet.errors import InputError

HELD = "LIPNET_CHECKOUT_HELD"  # set for the commands of the one that holds it
LOCK = Path("data/tmp/checkout.lock")
PAUSE_SECONDS = 2.0


@contextmanager
def hold_checkout(*, wait: bool) -> Iterator[int | None]:
    """Hold the checkout until the end, also for commands that are started meanwhile.

    Yields the lock's descriptor: the checkout stays held for as long as any process that inherits
    it lives, though the holder is killed. (DVC does, and waits for its stage; it does not hand
    the descriptor on.) None for a command of a holder, which needs no lock.
    Where somebody else holds it: wait for them, saying so, or InputError at once.
    """
    if os.environ.get(HELD):
        yield None
        return
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("w") as lock:
        _take(lock.fileno(), wait=wait)
        os.environ[HELD] = str(os.getpid())
        try:
            yield lock.fileno()
        finally:
            del os.environ[HELD]


def _take(lock: int, *, wait: bool) -> None:
    told = False
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise InputError(
                    "a flow run works in this checkout and needs its params.yaml: wait for it, or "
                    "work in another clone"
                ) from None
        if not told:
            who = "another flow run, or a stage that one left behind,"
            print(f"waiting: {who} works in this checkout", flush=True)
            told = True
        time.sleep(PAUSE_SECONDS)
