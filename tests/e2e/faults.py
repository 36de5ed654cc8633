"""Faults injected into a running stage: kill -9 on its processes or one actor, and a full disk."""

import os
import random
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

PATIENCE_SECONDS = 300.0
LOOK_SECONDS = 0.01
AT_WORK = ("ray::raw ", "ray::landmarks ", "ray::shards ")  # an actor's title, an item in hand


def wait_until(
    holds: Callable[[], bool],
    process: "subprocess.Popen[str] | None" = None,
    *,
    seconds: float = PATIENCE_SECONDS,
    pause: float = LOOK_SECONDS,
) -> bool:
    """Whether it held before the process ended, if one is given; AssertionError if neither
    happened."""
    deadline = time.monotonic() + seconds
    while process is None or process.poll() is None:
        if holds():
            return True
        assert time.monotonic() < deadline, f"nothing in {seconds:.0f} s"
        time.sleep(pause)
    return False


def kill_group(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the process and all that it started in its group."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def find_actors(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes of a stage's Ray actors, in the order of their ids."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return sorted(filter(_is_actor, below), key=lambda one: one.pid)


def _is_actor(process: psutil.Process) -> bool:
    try:
        title = (process.cmdline() or [""])[0]
        return title.startswith(("ray::_Actor", *AT_WORK))
    except psutil.Error:
        return False


def kill_actor(process: subprocess.Popen[str], draw: random.Random) -> bool:
    """SIGKILL to one of the actors; False if the stage ended before it had any."""
    if not wait_until(lambda: bool(find_actors(process)), process):
        return False
    actors = find_actors(process)
    if not actors:
        return False
    try:
        draw.choice(actors).kill()
    except psutil.NoSuchProcess:
        return False
    return True


def kill_node(process: psutil.Process) -> None:
    """SIGKILL to a Ray node's manager and to all that it started, as where the machine dies."""
    for one in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):  # gone with what it served
            one.kill()


def can_mount(folder: Path) -> bool:
    """Whether this user may mount a disk on a folder, seen by its own processes alone."""
    command = [*_apart(), "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _apart() -> list[str]:
    """A command's head that gives it mounts of its own; root needs no further rights for that."""
    return ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]


def on_small_disk(folder: Path, kilobytes: int, *commands: str) -> list[str]:
    """A command that runs the first of `commands` with `folder` on a disk with so much room left,
    then the others with room enough; what is in the folder then is put back at the end.

    It prints `first ended N`, and ends as the first of the others that fails.
    """
    place, first, *others = (shlex.quote(part) for part in (str(folder), *commands))
    script = f"""
        set -e
        cp -a {place} {place}.kept
        mount -t tmpfs -o size=1g tmpfs {place}
        cp -a {place}.kept/. {place}
        used=$(df --output=used -k {place} | tail -1)
        mount -t tmpfs -o remount,size=$((used + {kilobytes}))k tmpfs {place}
        set +e; sh -c {first}; echo "first ended $?"; set -e
        mount -t tmpfs -o remount,size=1g tmpfs {place}
        {"; ".join(f"sh -c {other}" for other in others)}
        rm -rf {place}.kept; cp -a {place} {place}.kept
        umount {place}
        rm -rf {place}; mv {place}.kept {place}
    """
    return [*_apart(), "sh", "-c", script]
