"""`lipnet cost`: parameters, multiply-adds, bytes and milliseconds of a spec or a file."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lipnet.errors import InputError

if TYPE_CHECKING:
    from lipnet.measure.cost import Cost
    from lipnet.measure.latency import Latency
    from lipnet.spec import ModelSpec

MAX_BYTES = 16 * 2**30  # of weights and activations; more is surely a typing error
FILES = (".safetensors", ".onnx")
ABOUT = (
    "An .onnx is timed in ONNX Runtime, anything else in PyTorch with its BatchNorm layers. "
    "lipnet read and the other commands fold these into the convolutions, and take less time."
)


@dataclass(frozen=True)
class Measured:
    """A spec with fresh weights, or a file of such a model."""

    spec: "ModelSpec"
    classes: int
    size: int
    path: Path | None = None


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    cost = verbs.add_parser(
        "cost", help="parameters, operations, memory, latency of a spec or file", epilog=ABOUT
    )
    cost.add_argument(
        "spec", help='such as "shufflenetv2_1x + dsmstcn_3x", a weights.safetensors or an .onnx'
    )
    cost.add_argument("--classes", type=int, help="500, or those of the file")
    cost.add_argument("--frames", type=int, default=29)
    cost.add_argument("--size", type=int, help="pixels: 88, or those of the file")
    cost.add_argument("--threads", type=int, default=1, help="of the CPU, for the latency")
    cost.add_argument("--json", action="store_true")
    cost.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Print the figures of one spec or file; its latency is measured on this machine."""
    from lipnet.measure.cost import cost_of
    from lipnet.measure.memory import peak_memory_of

    measured = _find_measured(parsed)
    spec, classes, frames, size = measured.spec, measured.classes, parsed.frames, measured.size
    cost = cost_of(spec, classes, frames=frames, size=size)
    peak_bytes = peak_memory_of(spec, classes, frames=frames, size=size)
    if cost.weight_bytes + peak_bytes > MAX_BYTES:
        raise InputError(
            f"{spec} of {classes} classes on {frames} frames of {size} x {size} needs "
            f"{(cost.weight_bytes + peak_bytes) / 2**30:.0f} GiB to measure; the limit is "
            f"{MAX_BYTES / 2**30:.0f}"
        )
    latency = _measure(measured, frames=frames, threads=parsed.threads)
    if parsed.json:
        print(json.dumps(_figures(spec, cost, latency)))
        return
    print(f"{spec}\none clip of {frames} frames, {size} x {size}; {classes} classes\n")
    for name, value, meaning in _lines(cost, latency, peak_bytes):
        print(f"{name:<22}{value:>14}  {meaning}".rstrip())


def _find_measured(parsed: argparse.Namespace) -> Measured:
    """What the arguments name; a file has its own classes and size."""
    from lipnet.spec import ModelSpec

    path = Path(parsed.spec)
    if path.suffix not in FILES:
        classes = 500 if parsed.classes is None else parsed.classes
        size = 88 if parsed.size is None else parsed.size
        return Measured(ModelSpec.parse(parsed.spec), classes, size)
    if parsed.classes is not None or parsed.size is not None:
        raise InputError(f"{path} has its own classes and size: leave out --classes and --size")
    from lipnet.inference.onnx_reader import load_onnx
    from lipnet.models.weights import load_card
    from lipnet.recipe import Recipe

    card = load_card(path) if path.suffix == FILES[0] else load_onnx(path)[1]
    recipe = Recipe.for_input(card.preprocessing)
    return Measured(ModelSpec.parse(card.spec), len(card.labels), recipe.input_size, path)


def _measure(measured: Measured, *, frames: int, threads: int) -> "Latency":
    """An .onnx is timed in onnxruntime, anything else in torch."""
    from lipnet.inference.onnx_reader import load_onnx
    from lipnet.measure.latency import check_latency, measure_forward, measure_latency
    from lipnet.models.build import build_model
    from lipnet.models.weights import load_model

    shape = {"frames": frames, "size": measured.size, "threads": threads}
    path = measured.path
    if path is not None and path.suffix == FILES[1]:
        check_latency(**shape)
        reader, _, _ = load_onnx(path, threads=threads)
        return measure_forward(reader, reader.device, **shape)
    model = load_model(path)[0] if path else build_model(measured.spec, measured.classes).eval()
    return measure_latency(model, **shape)


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
        (
            "peak_activation_bytes",
            f"{peak_bytes:,}",
            "held at once in the forward pass of one clip",
        ),
        ("latency_ms_p50", f"{latency.p50_ms:.2f}", f"median, {threads}"),
        ("latency_ms_p95", f"{latency.p95_ms:.2f}", "95th percentile"),
    ]
