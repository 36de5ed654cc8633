"""Deployment: ONNX Runtime, in float32 and int8, against PyTorch; one clip on one thread.

Baselines are the plain version of the models and this project's fastest torch path (BatchNorm
folded, channels last). All four run in turn in one process; a ratio is a baseline's time over that
of ONNX Runtime in the same round. The weights are random, and int8 is calibrated on noise: this
measures speed, `lipnet export --int8` measures accuracy.
"""
# B batch  T frames  H W pixels

import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

import torch

from benchmarks.compare import check_same, choose_rows, describe_machine, make_parser
from benchmarks.inference import build_pair, make_batch
from lipnet.export.graph import make_clip_graphs
from lipnet.export.onnx_file import open_reader, trace
from lipnet.export.quantise import quantise_graphs
from lipnet.inference.onnx_reader import inputs_of
from lipnet.measure.paper import PaperRow
from lipnet.models.fold import fold_batchnorm
from lipnet.models.infer import infer_clips

WARM_UPS = 2
CALIBRATION_CLIPS = 4
ENGINES = ("plain", "torch", "onnx", "int8")
RATIOS = (("torch", "onnx"), ("torch", "int8"), ("plain", "onnx"), ("plain", "int8"))
Engines = Mapping[str, Callable[[], object]]


def main() -> None:
    """Print the table: milliseconds of each engine, then the ratios with their range."""
    asked = make_parser(__doc__, batch=1, repeats=20).parse_args()
    if (asked.batch, asked.threads) != (1, 1):
        raise SystemExit("one clip on one thread: leave out --batch and --threads")
    torch.set_num_threads(1)
    print(describe_machine(1))
    print(
        f"{'model':<32}{'pixels':>6}" + "".join(f"{name + ' ms':>10}" for name in ENGINES), end=""
    )
    print("".join(f"{f'{base} / {ours}':>24}" for base, ours in RATIOS))
    for row in choose_rows(asked.models):
        print_times(row, time_in_turn(make_engines(row), asked.repeats))


@torch.inference_mode()
def make_engines(row: PaperRow) -> Engines:
    """The four ways to compute the same clip; float32 outputs are compared first."""
    plain, ours = build_pair(row)
    clip = make_batch(1, row.size)
    folded = fold_batchnorm(ours)
    with torch.inference_mode(False):
        traced = [trace(graph) for graph in make_clip_graphs(ours, row.size)]
    noise = torch.randn(CALIBRATION_CLIPS, *clip[0].shape[1:])
    small = quantise_graphs(traced, [inputs_of(False, each.numpy(), None) for each in noise])
    onnx, int8 = open_reader(traced, ours), open_reader(small, ours)
    expected = plain(*clip)
    for forward in (folded, onnx):
        check_same(expected, forward(*clip), row.spec)
    return {
        "plain": partial(plain, *clip),
        "torch": partial(infer_clips, folded, *clip),
        "onnx": partial(onnx, *clip),
        "int8": partial(int8, *clip),
    }


@torch.inference_mode()
def time_in_turn(engines: Engines, repeats: int) -> dict[str, list[float]]:
    """Milliseconds of each engine in each round."""
    times: dict[str, list[float]] = {name: [] for name in engines}
    for place in range(WARM_UPS + repeats):
        for name, call in engines.items():
            start = time.perf_counter()
            call()
            if place >= WARM_UPS:
                times[name].append(1e3 * (time.perf_counter() - start))
    return times


def print_times(row: PaperRow, times: Mapping[str, list[float]]) -> None:
    """One line of the table."""
    line = f"{row.spec:<32}{row.size:>6}"
    line += "".join(f"{statistics.median(times[name]):>10.1f}" for name in ENGINES)
    for base, ours in RATIOS:
        ratios = [one / other for one, other in zip(times[base], times[ours], strict=True)]
        shown = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        line += f"{shown:>24}"
    print(line, flush=True)


if __name__ == "__main__":
    main()
