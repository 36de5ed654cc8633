"""`lipnet cost`: the cost of one spec, in parameters, multiply-adds, bytes and milliseconds."""

import argparse
import json
from typing import TYPE_CHECKING

from lipnet.errors import InputError

if TYPE_CHECKING:
    from lipnet.measure.cost import Cost
    from lipnet.measure.latency import Latency
    from lipnet.spec import ModelSpec

MAX_BYTES = 16 * 2**30  # of weights and activations; more is surely a typing error


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    cost = verbs.add_parser("cost", help="parameters, multiply-adds, memory, latency of a spec")
    cost.add_argument("spec", help='such as "shufflenetv2_1x + dsmstcn_3x"')
    cost.add_argument("--classes", type=int, default=500)
    cost.add_argument("--frames", type=int, default=29)
    cost.add_argument("--size", type=int, default=88, help="pixels")
    cost.add_argument("--threads", type=int, default=1, help="of the CPU, for the latency")
    cost.add_argument("--json", action="store_true")
    cost.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Print the figures of one spec; its latency is measured on this machine."""
    from lipnet.measure.cost import cost_of
    from lipnet.measure.latency import measure_latency
    from lipnet.measure.memory import peak_memory_of
    from lipnet.models.build import build_model
    from lipnet.spec import ModelSpec

    spec, frames, size = ModelSpec.parse(parsed.spec), parsed.frames, parsed.size
    cost = cost_of(spec, parsed.classes, frames=frames, size=size)
    peak_bytes = peak_memory_of(spec, parsed.classes, frames=frames, size=size)
    if cost.weight_bytes + peak_bytes > MAX_BYTES:
        raise InputError(
            f"{spec} of {parsed.classes} classes on {frames} frames of {size} x {size} needs "
            f"{(cost.weight_bytes + peak_bytes) / 2**30:.0f} GiB to measure; the limit is "
            f"{MAX_BYTES / 2**30:.0f}"
        )
    model = build_model(spec, parsed.classes).eval()
    latency = measure_latency(model, frames=frames, size=size, threads=parsed.threads)
    if parsed.json:
        print(json.dumps(_figures(spec, cost, latency)))
        return
    print(f"{spec}\none clip of {frames} frames, {size} x {size}; {parsed.classes} classes\n")
    for name, value, meaning in _lines(cost, latency, peak_bytes):
        print(f"{name:<22}{value:>14}  {meaning}".rstrip())


def _figures(spec: "ModelSpec", cost: "Cost", latency: "Latency") -> dict[str, object]:
    return {
        "spec": str(spec),
        "params": cost.params,
        "params_m": cost.params_m,
        "gflops": cost.gflops,
        "gmacs": cost.gmacs,
        "latency_ms_p50": round(latency.p50_ms, 2),
        "latency_ms_p95": round(latency.p95_ms, 2),
    }


def _lines(cost: "Cost", latency: "Latency", peak_bytes: int) -> list[tuple[str, str, str]]:
    threads = f"batch 1, {latency.threads} thread" + "s" * (latency.threads != 1)
    return [
        ("params", f"{cost.params:,}", ""),
        ("params_m", f"{cost.params_m:.4f}", "parameters / 1e6"),
        ("gflops", f"{cost.gflops:.4f}", "gmacs plus 2 per BatchNorm output: the paper's figure"),
        ("gmacs", f"{cost.gmacs:.4f}", "multiply-adds of matrix products / 1e9"),
        ("weight_bytes", f"{cost.weight_bytes:,}", "float32, BatchNorm statistics among them"),
        ("peak_activation_bytes", f"{peak_bytes:,}", "held at once in a forward of one clip"),
        ("latency_ms_p50", f"{latency.p50_ms:.2f}", f"median, {threads}"),
        ("latency_ms_p95", f"{latency.p95_ms:.2f}", "95th percentile"),
    ]
