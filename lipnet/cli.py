"""The command `lipnet`: what the library does without the pipeline."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lipnet.errors import InputError

# torch takes seconds to import, so each verb imports what it needs when it is called.


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb; bad input ends with exit status 1 and one line."""
    parsed = _parser().parse_args(arguments)
    try:
        parsed.verb(parsed)
    except InputError as error:
        sys.exit(f"error: {error}")


def print_cost(parsed: argparse.Namespace) -> None:
    """Parameters, multiply-adds and measured latency of one spec."""
    from lipnet.measure.cost import cost_of
    from lipnet.measure.latency import measure_latency
    from lipnet.models.build import build_model
    from lipnet.spec import ModelSpec

    spec = ModelSpec.parse(parsed.spec)
    cost = cost_of(spec, parsed.classes, frames=parsed.frames, size=parsed.size)
    model = build_model(spec, parsed.classes).eval()
    latency = measure_latency(model, frames=parsed.frames, size=parsed.size, threads=parsed.threads)
    figures: dict[str, Any] = {
        "spec": str(spec),
        "params": cost.params,
        "params_m": round(cost.params_m, 3),
        "gflops": round(cost.gflops, 3),
        "gmacs": round(cost.gmacs, 3),
        "weight_bytes": cost.weight_bytes,
        "latency_ms_p50": round(latency.p50_ms, 2),
        "latency_ms_p95": round(latency.p95_ms, 2),
        "threads": latency.threads,
    }
    if parsed.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<16} {value}")


def read_lips(parsed: argparse.Namespace) -> None:
    """The most likely words of a video, by one trained model."""
    from lipnet.read import read_video

    answers = read_video(parsed.video, parsed.weights, top=parsed.top)
    if parsed.json:
        print(json.dumps([{"label": label, "probability": p} for label, p in answers]))
        return
    for label, probability in answers:
        print(f"{probability:6.1%}  {label}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lipnet", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    cost = verbs.add_parser("cost", help="parameters, multiply-adds and latency of a spec")
    cost.add_argument("spec", help='such as "shufflenetv2_1x + dsmstcn_3x"')
    cost.add_argument("--classes", type=int, default=500)
    cost.add_argument("--frames", type=int, default=29)
    cost.add_argument("--size", type=int, default=88, help="pixels")
    cost.add_argument("--threads", type=int, default=1, help="of the CPU, for the latency")
    cost.add_argument("--json", action="store_true")
    cost.set_defaults(verb=print_cost)
    read = verbs.add_parser("read", help="the word that a video shows, by a trained model")
    read.add_argument("video", type=Path)
    read.add_argument("--weights", type=Path, required=True, help="a weights.safetensors")
    read.add_argument("--top", type=int, default=5, help="how many words")
    read.add_argument("--json", action="store_true")
    read.set_defaults(verb=read_lips)
    return parser
