"""Latencies of a study's specs, measured once per machine and kept in latency.json."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipnet.clip import CLIP_FRAMES
from lipnet.errors import InputError
from lipnet.files import digest_of, write_json
from lipnet.lineage.generation import model_file
from lipnet.report.json_files import read_mapping
from lipnet.report.rows import LeaderboardRow, RowLatency, files_of
from lipnet.report.study import LATENCIES, Study

if TYPE_CHECKING:
    from lipnet.inference.onnx_reader import OnnxReader
    from lipnet.measure.latency import Latency

THREADS = 1  # as on one core of a phone, and steadier than several
REPEATS = 20
DIGITS = 2  # of milliseconds, as the leaderboard keeps them


TORCH, ONNX, INT8 = "torch", "onnx", "onnx int8"  # by what, and of which graph


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
    runtime: str = TORCH


def measure_all(
    rows: Sequence[LeaderboardRow], study: Study, *, measure: "Measure | None" = None
) -> dict[str, RowLatency]:
    """Latency by model id, measured once per spec, input size, runtime and machine.

    Models of one spec do the same arithmetic, so timing each would only add noise. For a spec
    without a model's file on this machine, another machine's latency is returned if one was kept.
    """
    kept = read_kept(study.report / LATENCIES)
    here = describe_machine()
    timed = [(row, runtime) for row in files_of(rows) for runtime in _runtimes_of(row, rows)]
    for row, runtime in timed:
        path = model_file(study.lineage(row.lineage) / row.generation)
        conditions = _conditions_of(row, runtime, here)
        if path.exists() and digest_of(conditions) not in kept:
            found = (measure or MEASURES[runtime])(path, row.model_fit.input_size)
            if found is not None:
                times = KeptLatency(**conditions, p50_ms=found.p50_ms, p95_ms=found.p95_ms)
                kept[digest_of(conditions)] = times
                _write_kept(study.report / LATENCIES, kept)
    found_for: dict[str, dict[str, KeptLatency]] = {}
    for row, runtime in timed:
        own = _find_kept(row, runtime, kept, here)
        if own is not None:
            found_for.setdefault(row.model, {})[runtime] = own
    joined = {model: _join_runtimes(own) for model, own in found_for.items()}
    return {model: found for model, found in joined.items() if found is not None}


def _runtimes_of(row: LeaderboardRow, rows: Sequence[LeaderboardRow]) -> tuple[str, ...]:
    """By what a model is timed: by ONNX Runtime too if the table of compressed models shows it."""
    if row.compression and row.compression.is_graph:
        return (INT8,)
    sources = {own.teacher for own in rows if own.compression}
    return (TORCH, ONNX) if row.compression or row.model in sources else (TORCH,)


def _join_runtimes(found: Mapping[str, KeptLatency]) -> RowLatency | None:
    """The cells of a model's row."""
    main = found.get(TORCH) or found.get(INT8)
    if main is None:
        return None
    graph = found.get(ONNX) or found.get(INT8)
    p50, p95 = round(main.p50_ms, DIGITS), round(main.p95_ms, DIGITS)
    onnx = None if graph is None else round(graph.p50_ms, DIGITS)
    return RowLatency(p50, p95, main.threads, main.machine, onnx)


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
    row: LeaderboardRow, runtime: str, kept: Mapping[str, KeptLatency], here: str
) -> KeptLatency | None:
    machines = (here, *(found.machine for found in kept.values()))
    keys = (digest_of(_conditions_of(row, runtime, machine)) for machine in machines)
    return next((kept[key] for key in keys if key in kept), None)


def _conditions_of(row: LeaderboardRow, runtime: str, machine: str) -> dict[str, Any]:
    """All that a latency depends on."""
    shape = {"spec": row.spec, "size": row.model_fit.input_size, "frames": CLIP_FRAMES}
    by = {} if runtime == TORCH else {"runtime": runtime}
    return {**shape, "threads": THREADS, "machine": machine, **by}


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


def measure_export(weights: Path, size: int) -> "Latency | None":
    """The same through the float32 graph of `lipnet export` in ONNX Runtime; None if the extra
    `export` is missing or no graph expresses the model."""
    from lipnet.export.graph import make_clip_graphs
    from lipnet.export.onnx_file import import_onnx, trace
    from lipnet.inference.onnx_reader import OnnxReader, open_session
    from lipnet.models.weights import load_model

    try:
        import_onnx()
        model, _ = load_model(weights)
        graphs = [trace(graph) for graph in make_clip_graphs(model, size)]
    except InputError:
        return None
    sessions = [open_session(graph, threads=THREADS) for graph in graphs]
    return _measure_reader(OnnxReader(sessions, model.boundary), size)


def measure_graph(path: Path, size: int) -> "Latency | None":
    """The same through an .onnx file; None without onnxruntime."""
    from lipnet.inference.onnx_reader import import_runtime, load_onnx

    try:
        import_runtime()
    except InputError:
        return None
    return _measure_reader(load_onnx(path, threads=THREADS)[0], size)


def _measure_reader(reader: "OnnxReader", size: int) -> "Latency":
    from lipnet.measure.latency import measure_forward

    shape = {"frames": CLIP_FRAMES, "size": size, "threads": THREADS}
    return measure_forward(reader, reader.device, **shape, repeats=REPEATS)


Measure = Callable[[Path, int], "Latency | None"]
# Looked up when they are called, so that each can be replaced on its own.
MEASURES: Mapping[str, Measure] = {
    TORCH: lambda path, size: measure_weights(path, size),
    ONNX: lambda path, size: measure_export(path, size),
    INT8: lambda path, size: measure_graph(path, size),
}


def join_latencies(members: Sequence[RowLatency]) -> RowLatency | None:
    """An ensemble's latency is its members' medians added up; 95th percentiles do not add up."""
    if len(members) < 2:
        return members[0] if members else None
    machines = dict.fromkeys(member.machine for member in members)
    total = sum(member.ms_p50 for member in members)
    return RowLatency(round(total, DIGITS), None, members[0].threads, " and ".join(machines))
