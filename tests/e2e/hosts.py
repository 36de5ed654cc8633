"""Two hosts on this machine: network namespaces with an address each and a cable between them.

They share the disk, except for the folder of Ray's temporary files, and need the rights of root.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import psutil

from cluster.connection import OBJECT_STORE_BYTES
from tests.contract.imports import ROOT
from tests.e2e.faults import AT_WORK, wait_until

PORT = 6379
CABLE = "eth0"


class Refused(Exception):
    """The kernel refuses a namespace; the message is the command with its error."""


@dataclass(frozen=True)
class Host:
    """A namespace with an address and a core; in it `temporary` is `own`, a folder that no other
    host sees."""

    name: str
    address: str
    core: int
    own: Path
    temporary: Path

    def enter(self, *command: str) -> list[str]:
        """The command as it runs on this host; a shell there mounts the folder for it alone."""
        mount = f'mount --bind {self.own} {self.temporary} && exec "$@"'
        core = ("taskset", "--cpu-list", str(self.core))
        return ["ip", "netns", "exec", self.name, *core, "sh", "-c", mount, "sh", *command]

    @property
    def processes(self) -> list[psutil.Process]:
        """All that runs on this host."""
        found = []
        for pid in _run("ip", "netns", "pids", self.name).split():
            with suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(int(pid)))
        return found

    def is_at_work(self) -> bool:
        """Whether an actor of this host has a job, as its process's title shows."""
        titles = []
        for process in self.processes:
            with suppress(psutil.Error):
                titles.append((process.cmdline() or [""])[0])
        return any(title.startswith(AT_WORK) for title in titles)

    def kill(self) -> None:
        """SIGKILL to all that runs on this host, as if it lost its power."""
        while processes := self.processes:
            for process in processes:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            psutil.wait_procs(processes, timeout=10)

    def cut_off(self) -> None:
        """Take its cable away; what runs on it runs on."""
        _run("ip", "-n", self.name, "link", "set", CABLE, "down")


@contextmanager
def connect_hosts() -> Iterator[tuple[Host, Host]]:
    """Two hosts, removed at the end with all that runs on them; Refused if there can be none."""
    base = Path(mkdtemp(prefix="lh", dir="/tmp"))  # Ray's sockets need a short path
    temporary = base / "t"
    temporary.mkdir()
    hosts = []
    cores = sorted(os.sched_getaffinity(0))
    try:
        for number in (1, 2):
            (own := base / str(number)).mkdir()
            name = f"lipnet-{os.getpid()}-{number}"
            _run("ip", "netns", "add", name)
            core = cores[number % len(cores)]
            hosts.append(Host(name, f"10.77.0.{number}", core, own, temporary))
        first, second = hosts
        _run(
            *("ip", "link", "add", CABLE, "netns", first.name, "type", "veth"),
            *("peer", "name", CABLE, "netns", second.name),
        )
        for host, other in ((first, second), (second, first)):
            for command in (
                f"link set lo up, addr add {host.address}/24 dev {CABLE}, link set {CABLE} up, "
                f"route add default via {other.address}"  # by it Ray finds the host's address
            ).split(", "):
                _run("ip", "-n", host.name, *command.split())
        yield first, second
    finally:
        for host in hosts:
            host.kill()
            _run("ip", "netns", "del", host.name)
        shutil.rmtree(base)


@dataclass(frozen=True)
class HostsRay:
    """A Ray cluster of hosts, with a core on each."""

    head: Host
    started: list["subprocess.Popen[bytes]"]

    @property
    def address(self) -> str:
        return f"{self.head.address}:{PORT}"

    def join(self, host: Host) -> None:
        """Start Ray on the host and wait until it runs; it ends with the host."""
        is_head = host is self.head
        head = ("--head", f"--port={PORT}", "--include-dashboard=false")
        command = host.enter(
            *(str(Path(sys.executable).parent / "ray"), "start", "--block"),
            *(head if is_head else (f"--address={self.address}",)),
            *(f"--node-ip-address={host.address}", "--num-cpus=1", "--num-gpus=0"),
            f"--object-store-memory={OBJECT_STORE_BYTES}",
        )
        log = host.own / "log"
        with log.open("w") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **ray_settings(host)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(process)
        runs = wait_until(lambda: "Ray runtime started" in log.read_text(), process)
        assert runs, log.read_text()


@contextmanager
def connect_ray(first: Host, second: Host) -> Iterator[HostsRay]:
    """A Ray cluster of the two hosts; at its end nothing runs on them."""
    ray = HostsRay(first, [])
    try:
        for host in (first, second):
            ray.join(host)
        yield ray
    finally:
        for host in (first, second):
            host.kill()
        for process in ray.started:
            process.wait(30)


def ray_settings(host: Host) -> dict[str, str]:
    """The environment of a process that uses Ray on the host."""
    return {
        "RAY_TMPDIR": str(host.temporary),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",  # else another program's work would hold up the actors
        "GLOO_SOCKET_IFNAME": CABLE,  # the host's name leads to no address of its own
        "PYTHONPATH": str(ROOT),
    }


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
