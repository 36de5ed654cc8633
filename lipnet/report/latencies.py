"""Latencies of a study's specs, measured once per machine and kept in latency.json."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipnet.clip import CLIP_FRAMES
from lipnet.errors import InputError
from lipnet.files import digest_of, write_json
from lipnet.report.json_files import read_mapping
from lipnet.report.rows import LeaderboardRow, RowLatency, files_of
from lipnet.report.study import LATENCIES, Study

if TYPE_CHECKING:
    from lipnet.measure.latency import Latency

THREADS = 1  # as on one core of a phone, and steadier than several
REPEATS = 20
DIGITS = 2  # of milliseconds, as the leaderboard keeps them


@dataclass(frozen=True)
class KeptLatency:
    """One measurement; all fields but the two times are what it depends on."""

    spec: str
    size: int
    frames: int
    threads: int
    machine: str
    p50_ms: float
    p95_ms: float

    def as_row(self) -> RowLatency:
        """The cells of a model's row."""
        p50, p95 = round(self.p50_ms, DIGITS), round(self.p95_ms, DIGITS)
        return RowLatency(p50, p95, self.threads, self.machine)


def measure_all(
    rows: Sequence[LeaderboardRow],
    study: Study,
    *,
    measure: "Callable[[Path, int], Latency] | None" = None,
) -> dict[str, KeptLatency]:
    """Latency by model id, measured once per spec, input size and machine.

    Models of one spec do the same arithmetic, so timing each would only add noise. For a spec
    without weights on this machine, another machine's latency is returned if one was kept.
    """
    kept = read_kept(study.report / LATENCIES)
    here = describe_machine()
    for row in files_of(rows):
        weights = study.lineage(row.lineage) / row.generation / "weights.safetensors"
        conditions = _conditions_of(row, here)
        if weights.exists() and digest_of(conditions) not in kept:
            timed = (measure or measure_weights)(weights, row.model_fit.input_size)
            found = KeptLatency(**conditions, p50_ms=timed.p50_ms, p95_ms=timed.p95_ms)
            kept[digest_of(conditions)] = found
            _write_kept(study.report / LATENCIES, kept)
    latencies = {row.model: _find_kept(row, kept, here) for row in files_of(rows)}
    return {model: found for model, found in latencies.items() if found is not None}


def read_kept(path: Path) -> dict[str, KeptLatency]:
    """The measurements in latency.json by digest of their conditions; none without the file."""
    if not path.exists():
        return {}
    try:
        return {key: KeptLatency(**facts) for key, facts in read_mapping(path).items()}
    except TypeError:
        raise InputError(f"{path} is not a file of latencies: remove it") from None


def _write_kept(path: Path, kept: Mapping[str, KeptLatency]) -> None:
    write_json(path, {key: asdict(found) for key, found in kept.items()})


def _find_kept(
    row: LeaderboardRow, kept: Mapping[str, KeptLatency], here: str
) -> KeptLatency | None:
    machines = (here, *(found.machine for found in kept.values()))
    keys = (digest_of(_conditions_of(row, machine)) for machine in machines)
    return next((kept[key] for key in keys if key in kept), None)


def _conditions_of(row: LeaderboardRow, machine: str) -> dict[str, Any]:
    """All that a latency depends on."""
    shape = {"spec": row.spec, "size": row.model_fit.input_size, "frames": CLIP_FRAMES}
    return {**shape, "threads": THREADS, "machine": machine}


def describe_machine() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def measure_weights(weights: Path, size: int) -> "Latency":
    """Latency of one clip of this size through a model on disk."""
    # Torch takes seconds to import, and is not needed if every latency is known.
    from lipnet.measure.latency import measure_latency
    from lipnet.models.weights import load_model

    model, _ = load_model(weights)
    return measure_latency(model, frames=CLIP_FRAMES, size=size, threads=THREADS, repeats=REPEATS)


def join_latencies(members: Sequence[KeptLatency]) -> RowLatency | None:
    """An ensemble's latency is its members' medians added up; 95th percentiles do not add up."""
    if len(members) < 2:
        return members[0].as_row() if members else None
    machines = dict.fromkeys(member.machine for member in members)
    total = sum(member.p50_ms for member in members)
    return RowLatency(round(total, DIGITS), None, members[0].threads, " and ".join(machines))
