"""Epochs of training with data loading: a plain implementation against ours; the cost of a teacher.

    python -m benchmarks.training [--models TEXT ...] [--steps 4] [--repeats 3]

Plain: the models of benchmarks/plain.py with torch's DataLoader and one compressed npz per clip
(benchmarks/plain_data.py), AdamW, mixup in the main process. Ours: the engine of lipnet.train with
the clips in memory. Each has its own process; both see the same views and run in turn. Times are
wall clock, and `wait` is the part of it that steps wait for their batches. Then a student's epoch
without a teacher, with a teacher that runs at each step, and with the teacher's recorded logits. If
there is a CUDA device, ours also runs on it; that part has never been run, because no GPU was
available.
"""
# B batch

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import torch
from torch.utils.data import DataLoader

from benchmarks.clips import GRID, find_clips
from benchmarks.compare import choose_rows, describe_machine
from benchmarks.inference import build_pair
from benchmarks.loader import plan_plain, write_split
from benchmarks.plain_data import Batch, PlainClips, collate, mix, write_npz
from benchmarks.train_step import measure_products
from benchmarks.worker import WorkerProcess
from lipnet.data.loader import MemoryStore
from lipnet.data.shrink import Shrink
from lipnet.data.stream import Stream
from lipnet.device import keep_freed_memory
from lipnet.distill.loss import cross_entropy_mixed
from lipnet.distill.recording import Recording
from lipnet.distill.teacher import FrozenTeacher, NoTeacher, RecordedTeacher, Teacher
from lipnet.measure.cost import cost_of
from lipnet.measure.paper import FRAMES, PaperRow
from lipnet.recipe import Recipe
from lipnet.shards.codec import Crops
from lipnet.shards.storage import list_shards
from lipnet.spec import ModelSpec
from lipnet.train.compile import CompiledParts
from lipnet.train.engine import Engine
from lipnet.train.optim import build_optimiser
from lipnet.train.step import Stepper

MODELS = ("shufflenetv2_0.5x + tcn_1x", "resnet18 + mstcn_3x")
STUDENT, TEACHER = MODELS
PIXELS, CLASSES = 88, 500
LRW_CLIPS, LRW_EPOCHS = 488_763, 80
CUDA_EPOCHS = 12
TEACHING = ALONE, FROZEN, RECORDED = "no teacher", "run at each step", "recorded"
Item = TypeVar("Item")


@dataclass(frozen=True)
class Spent:
    """Seconds of an epoch, and the seconds of it that the steps waited for batches."""

    seconds: float
    waited: float


class Watch:
    """Measures how long an epoch takes and waits."""

    def __init__(self) -> None:
        self._started, self._waited = time.perf_counter(), 0.0

    def over(self, batches: Iterable[Item]) -> Iterator[Item]:
        """Yield the same batches, and measure the wait for each."""
        source = iter(batches)
        while True:
            start = time.perf_counter()
            batch = next(source, None)
            self._waited += time.perf_counter() - start
            if batch is None:
                return
            yield batch

    def stop(self) -> Spent:
        return Spent(time.perf_counter() - self._started, self._waited)


@dataclass(frozen=True)
class Corpus:
    """Clips in a folder, as shards and as the files of the plain implementation."""

    folder: Path
    clips: int
    batch: int
    threads: int

    @property
    def recipe(self) -> Recipe:
        return Recipe(batch=self.batch)

    def write(self, clips: Sequence[Crops]) -> None:
        write_split(self.folder / "shards", clips, "raw")
        write_npz(self.folder, clips)

    def hold(self) -> MemoryStore:
        refs = list_shards(self.folder / "shards", "train")
        return MemoryStore.read(refs, Shrink.for_recipe(self.recipe))


def train_plainly(row: PaperRow, corpus: Corpus, loaders: int) -> Callable[[], Spent]:
    """A plain training loop, one epoch per call."""
    torch.set_num_threads(corpus.threads)
    model = build_pair(row)[0].train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=1e-2)
    planned = plan_plain(corpus.hold(), corpus.recipe, 0)
    order = [choice for choices, _ in planned for choice in choices]
    labels = [number % CLASSES for number in range(corpus.clips)]
    dataset = PlainClips(sorted(corpus.folder.glob("*.npz")), labels, order)
    batches: Iterable[Batch] = DataLoader(
        dataset,
        batch_size=corpus.batch,
        collate_fn=collate,
        num_workers=loaders,
        persistent_workers=loaders > 0,
    )

    def epoch() -> Spent:
        watch, plans = Watch(), iter(planned)
        for frames_BTHW, lengths_B, labels_B in watch.over(batches):
            _, draws = next(plans)
            mixed_BTHW = mix(frames_BTHW, lengths_B, draws)
            optimiser.zero_grad()
            logits_BK = model(mixed_BTHW, lengths_B)
            partners_B = labels_B[draws.partners_B]
            loss = cross_entropy_mixed(logits_BK, labels_B, partners_B, share=draws.share)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        return watch.stop()

    return epoch


def train_ours(
    row: PaperRow, corpus: Corpus, taught: str = ALONE, *, device: str = "cpu"
) -> Callable[[], Spent]:
    """The engine's steps, one epoch per call, with one of TEACHING."""
    keep_freed_memory()
    torch.set_num_threads(corpus.threads)
    engine, recipe = Engine(torch.device(device)), corpus.recipe
    stream = Stream(corpus.hold().to(engine.device), recipe, pad_heads=device != "cpu")
    model = build_pair(row)[1].to(engine.device).train()
    if device != "cpu":
        CompiledParts(model)
    teacher = find_teacher(taught, corpus)
    stepper = Stepper(model, model, build_optimiser(model, recipe), recipe, teacher, engine)

    def epoch() -> Spent:
        watch = Watch()
        for micro_batches in watch.over(stream.epoch(0, device=engine.device)):
            stepper.step(micro_batches, 0, recipe.lr)
        if device != "cpu":
            torch.cuda.synchronize()
        teacher.finish_epoch(0)
        if taught == RECORDED and not any((corpus.folder / "recorded").glob("*.npy")):
            raise RuntimeError("the teacher's logits were not recorded")
        return watch.stop()

    return epoch


def find_teacher(taught: str, corpus: Corpus) -> Teacher:
    """The teacher for one of TEACHING."""
    if taught == ALONE:
        return NoTeacher()
    (row,) = choose([TEACHER])
    model = build_pair(row)[1]
    if taught == FROZEN:
        return FrozenTeacher([model], Recipe())
    folder = corpus.folder / "recorded"
    folder.mkdir(parents=True, exist_ok=True)
    recording = Recording(folder, clips=corpus.clips, classes=CLASSES, writer="benchmark")
    return RecordedTeacher([model], Recipe(), recording)


def measure(ways: Mapping[str, WorkerProcess[Spent]], repeats: int) -> dict[str, list[Spent]]:
    """The times of the epochs of each way, in turn; the first epoch of each does not count."""
    spent: dict[str, list[Spent]] = {name: [] for name in ways}
    for number in range(repeats + 1):
        for name, way in ways.items():
            one = way()
            if number:
                spent[name].append(one)
    return spent


def compare_epochs(rows: Sequence[PaperRow], corpus: Corpus, asked: argparse.Namespace) -> None:
    """Print per model: seconds per epoch, their ratio, and the share of time that each waited."""
    print(
        f"\n{'model':<32}{'plain s':>9}{'ours s':>9}{'ratio':>7}  {'spread':<10} wait plain, ours"
    )
    for row in rows:
        with (
            WorkerProcess(train_plainly, row, corpus, asked.loaders) as plain,
            WorkerProcess(train_ours, row, corpus) as ours,
        ):
            spent = measure({"plain": plain, "ours": ours}, asked.repeats)
        ratios = [one.seconds / other.seconds for one, other in zip(*spent.values(), strict=True)]
        medians = [f"{median_of(own):>9.1f}" for own in spent.values()]
        waits = [
            f"{sum(one.waited for one in own) / sum(one.seconds for one in own):.1%}"
            for own in spent.values()
        ]
        print(
            f"{row.spec:<32}{''.join(medians)}{format_ratios(ratios)} {', '.join(waits)}",
            flush=True,
        )


def compare_teachers(corpus: Corpus, repeats: int) -> None:
    """Print for each of TEACHING: milliseconds per step, and the ratio to no teacher."""
    (row,) = choose([STUDENT])
    with ExitStack() as stack:
        ways = {
            name: stack.enter_context(WorkerProcess(train_ours, row, corpus, name))
            for name in TEACHING
        }
        spent = measure(ways, repeats)  # the first epoch, which does not count, is recorded
    print(f"\n{STUDENT} taught by {TEACHER}\n{'':<32}{'ms per step':>18}{'ratio':>7}  spread")
    steps = -(-corpus.clips // corpus.batch)
    for name, own in spent.items():
        ratios = [one.seconds / alone.seconds for one, alone in zip(own, spent[ALONE], strict=True)]
        print(f"{name:<32}{1e3 * median_of(own) / steps:>18.0f}{format_ratios(ratios)}", flush=True)


def median_of(spent: Sequence[Spent]) -> float:
    """The median of the seconds."""
    return statistics.median(one.seconds for one in spent)


def format_ratios(ratios: Sequence[float]) -> str:
    """The median and the spread."""
    spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
    return f"{statistics.median(ratios):>7.2f}  {spread:<10}"


def run_cuda(rows: Sequence[PaperRow], corpus: Corpus) -> None:
    """The GPU's table: compiled, in bfloat16, with the clips in its memory."""
    peak = measure_products()
    print(f"\n{torch.cuda.get_device_name()}, bfloat16 matrix products: {peak / 1e12:.0f} T/s")
    print(f"{'model':<32}{'clips/s':>9}{'wait':>7}{'share':>8}  hours for LRW, 80 epochs")
    for row in rows:
        epoch = train_ours(row, corpus, device="cuda")
        epoch()
        spent = [epoch() for _ in range(CUDA_EPOCHS)]
        seconds = sum(one.seconds for one in spent)
        rate, wait = CUDA_EPOCHS * corpus.clips / seconds, sum(one.waited for one in spent)
        cost = cost_of(ModelSpec.parse(row.spec), row.classes, frames=FRAMES, size=row.size)
        share = 3 * 1e9 * cost.gmacs_computed * rate / peak  # backward is twice forward
        hours = LRW_EPOCHS * LRW_CLIPS / rate / 3600
        print(f"{row.spec:<32}{rate:>9.0f}{wait / seconds:>7.1%}{share:>8.1%}  {hours:.1f}")


def choose(wanted: Sequence[str]) -> list[PaperRow]:
    """The paper's models on LRW with one of the texts in their spec."""
    return [row for row in choose_rows(wanted) if row.size == PIXELS]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--models", nargs="*", default=list(MODELS), help="parts of specs")
    parser.add_argument("--grid", type=Path, default=GRID, help="GRID's root")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=4, help="batches per epoch")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--loaders", type=int, default=2, help="DataLoader workers of plain")
    asked = parser.parse_args()
    rows = choose(asked.models)
    found, where = find_clips(asked.grid, asked.steps * asked.batch // 2)
    clips = found[: asked.steps * asked.batch]
    if len(clips) < asked.batch:
        parser.error(f"{len(clips)} clips do not fill a batch of {asked.batch}: raise --steps")
    print(
        f"Epochs of {len(clips)} clips from {where}, batch {asked.batch}, float32. "
        f"{describe_machine(asked.threads)}"
    )
    with TemporaryDirectory() as folder:
        corpus = Corpus(Path(folder), len(clips), asked.batch, asked.threads)
        corpus.write(clips)
        compare_epochs(rows, corpus, asked)
        compare_teachers(corpus, asked.repeats)
        if torch.cuda.is_available():
            run_cuda(rows, corpus)


if __name__ == "__main__":
    main()
