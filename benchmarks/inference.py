"""Inference: every model of the paper in plain PyTorch, against our fastest exact path.

Latency is for one clip on one thread, throughput for a batch on --threads (default 1). Ours has
BatchNorm folded and runs channels last, a few clips at a time; with --compile, latency is also
measured for compiled models (which takes about a minute per model).
"""
# B batch  T frames  H W pixels

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.compare import (
    HEADER,
    check_same,
    choose_rows,
    compare,
    describe_machine,
    make_parser,
    print_row,
)
from benchmarks.plain import PlainLipreader
from lipnet.measure.compile import compile_model
from lipnet.measure.paper import FRAMES, PaperRow
from lipnet.models.build import build_model
from lipnet.models.fold import fold_batchnorm
from lipnet.models.infer import infer_clips
from lipnet.models.lipreader import Lipreader
from lipnet.spec import ModelSpec

LATENCY_REPEATS = 7  # for each repeat of a throughput


def main() -> None:
    """Print both tables."""
    parser = make_parser(__doc__, batch=32, repeats=3)
    parser.add_argument("--compile", action="store_true", help="compile ours, for the latency")
    asked = parser.parse_args()
    rows = choose_rows(asked.models)
    torch.set_num_threads(1)
    print(f"Latency. {describe_machine(1)}\n{HEADER}")
    for row in rows:
        run_row(row, 1, repeats=LATENCY_REPEATS * asked.repeats, compiled=asked.compile)
    torch.set_num_threads(asked.threads)
    print(f"\nThroughput. {describe_machine(asked.threads)}\n{HEADER}")
    for row in rows:
        run_row(row, asked.batch, repeats=asked.repeats, compiled=False)


@torch.inference_mode()
def run_row(row: PaperRow, clips: int, *, repeats: int, compiled: bool) -> None:
    """Measure one model and print its line."""
    plain, ours = build_pair(row)
    batch = make_batch(clips, row.size)
    forward: Callable[..., Tensor] = partial(infer_clips, fold_batchnorm(ours))
    if compiled:
        forward, message = compile_model(fold_batchnorm(ours), frames=FRAMES, size=row.size)
        print(message, end="\n" if message else "")
    first = [tensor[:1] for tensor in batch]
    check_same(plain(*first), forward(*first), row.spec)
    print_row(row, clips, compare(lambda: plain(*batch), lambda: forward(*batch), repeats=repeats))


def build_pair(row: PaperRow) -> tuple[nn.Module, Lipreader]:
    """The plain model and ours, with the same random weights, in eval mode."""
    spec = ModelSpec.parse(row.spec)
    ours = build_model(spec, row.classes, generator=torch.Generator().manual_seed(1)).eval()
    plain = PlainLipreader(spec, row.classes).eval()
    plain.load_state_dict(ours.state_dict())
    return plain, ours


def make_batch(clips: int, size: int) -> tuple[Tensor, Tensor]:
    """Clips of noise without padding, and their lengths."""
    generator = torch.Generator().manual_seed(2)
    frames_BTHW = torch.randn(clips, FRAMES, size, size, generator=generator)
    return frames_BTHW, torch.full((clips,), FRAMES)


if __name__ == "__main__":
    main()
