"""Training step: forward and backward pass of every model of the paper, plain PyTorch and ours.

Both run on the CPU in float32, with dropout. If there is a CUDA device, ours also runs on it:
bfloat16, compiled, channels last, in clips per second and as a share of the measured rate of matrix
products. That part has never been run, because no GPU was available.
"""
# B batch  K classes

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
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
from benchmarks.inference import build_pair, make_batch
from lipnet.measure.cost import cost_of
from lipnet.measure.paper import FRAMES, PaperRow
from lipnet.spec import ModelSpec

Model = Callable[..., Tensor]
CUDA_STEPS = 20
SQUARE = 8192  # the size of the matrices to measure a GPU's rate with


def main() -> None:
    """Print the table for the CPU, then the one for the GPU if there is one."""
    asked = make_parser(__doc__, batch=16, repeats=3).parse_args()
    rows = choose_rows(asked.models)
    torch.set_num_threads(asked.threads)
    print(f"Forward and backward. {describe_machine(asked.threads)}\n{HEADER}")
    for row in rows:
        run_row(row, asked.batch, repeats=asked.repeats)
    if torch.cuda.is_available():
        run_cuda(rows, asked.batch)


def run_row(row: PaperRow, clips: int, *, repeats: int) -> None:
    """Measure one model on the CPU and print its line."""
    plain, ours = build_pair(row)
    batch, labels_B = make_batch(clips, row.size), make_labels(clips, row.classes)
    first = [tensor[:1] for tensor in batch]
    with torch.no_grad():
        check_same(plain(*first), ours(*first), row.spec)
    for model in (plain, ours):
        model.train()
    result = compare(
        lambda: fresh_step(plain, *batch, labels_B),
        lambda: fresh_step(ours, *batch, labels_B),
        repeats=repeats,
    )
    print_row(row, clips, result)


def step(model: Model, frames_BTHW: Tensor, lengths_B: Tensor, labels_B: Tensor) -> None:
    """Loss and gradients, without an optimiser step."""
    loss = F.cross_entropy(model(frames_BTHW, lengths_B).float(), labels_B)
    loss.backward()  # type: ignore[no-untyped-call]


def fresh_step(model: nn.Module, frames_BTHW: Tensor, lengths_B: Tensor, labels_B: Tensor) -> None:
    """`step` after zeroing the gradients, as in training."""
    model.zero_grad()
    step(model, frames_BTHW, lengths_B, labels_B)


def make_labels(clips: int, classes: int) -> Tensor:
    """A label for each clip."""
    return torch.arange(clips) % classes


def run_cuda(rows: list[PaperRow], clips: int) -> None:
    """The GPU's table: clips per second, and the share of its rate that the convolutions reach."""
    peak = measure_products()
    print(f"\n{torch.cuda.get_device_name()}, bfloat16 matrix products: {peak / 1e12:.0f} T/s")
    print(f"{'model':<32}{'pixels':>6}{'clips':>6}{'clips/s':>10}{'share':>8}")
    for row in rows:
        rate = clips / time_cuda_step(row, clips)
        cost = cost_of(ModelSpec.parse(row.spec), row.classes, frames=FRAMES, size=row.size)
        share = 3 * 1e9 * cost.gmacs_computed * rate / peak  # backward is twice forward
        print(f"{row.spec:<32}{row.size:>6}{clips:>6}{rate:>10.0f}{share:>8.1%}", flush=True)


def time_cuda_step(row: PaperRow, clips: int) -> float:
    """Seconds of a compiled step in bfloat16, the mean over steps that are queued together."""
    _, ours = build_pair(row)
    ours.cuda().train()
    model: Model = torch.compile(ours)
    frames_BTHW, lengths_B = make_batch(clips, row.size)
    batch = frames_BTHW.cuda(), lengths_B, make_labels(clips, row.classes).cuda()

    def run_step() -> None:
        ours.zero_grad()
        with torch.autocast("cuda", torch.bfloat16):
            step(model, *batch)

    return _time_cuda(run_step)


def measure_products() -> float:
    """Multiply-adds per second of large bfloat16 matrix products on the GPU."""
    square = torch.randn(SQUARE, SQUARE, device="cuda", dtype=torch.bfloat16)
    return float(SQUARE**3 / _time_cuda(lambda: square @ square))


def _time_cuda(call: Callable[[], object]) -> float:
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(CUDA_STEPS):
        call()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / CUDA_STEPS


if __name__ == "__main__":
    main()
