"""Loading: from shards or memory to batches of views, against a plain implementation.

    python -m benchmarks.loader [--grid ROOT] [--videos 14] [--rounds 5] [--batch 32]

The plain implementation (benchmarks/plain_data.py): one compressed npz per clip, float64 transforms
in Python, collated to float32, mixup in the main process; and the same with all clips unpacked in
memory. Both use our random choices, and their batches are compared with ours. Each way has its own
process with one torch thread, and loads an epoch in each round. Times are CPU times of the process,
summed over its threads, so clips per second are per core.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import torch
from torch import Tensor

from benchmarks.clips import FRAMES, GRID, find_clips
from benchmarks.compare import describe_machine
from benchmarks.plain_data import (
    Choice,
    HeldClips,
    PlainClips,
    choose_views,
    collate,
    mix,
    write_npz,
)
from benchmarks.worker import WorkerProcess
from lipnet.data.augment import Draws, draw
from lipnet.data.loader import ClipStore, MemoryStore, ShardStream
from lipnet.data.shrink import Shrink
from lipnet.data.stream import Stream
from lipnet.device import keep_freed_memory
from lipnet.recipe import Recipe
from lipnet.shards.codec import Crops
from lipnet.shards.index import ShardIndex, write_index
from lipnet.shards.meta import ClipMeta
from lipnet.shards.storage import ShardRef, list_shards
from lipnet.shards.tar import write_shard

CODECS = ("raw", "delta", "png", "jpeg95")
SHARD = 64  # clips
WORD = (10, 20)  # frames of an LRW word of average length
LABELS = 500
SAME = 1e-5
BASELINE, IN_MEMORY, SHARDS = "plain, npz", "ours, in memory", "ours, shards, "
WAYS = (BASELINE, "plain, in memory", IN_MEMORY, *(SHARDS + codec for codec in CODECS))
Load = Callable[[], Iterator[Tensor]]


def labels_of(clips: Sequence[Crops]) -> list[int]:
    """Labels for the clips; any will do to measure a loader."""
    return [number % LABELS for number in range(len(clips))]


def write_split(folder: Path, clips: Sequence[Crops], codec: str) -> list[ShardRef]:
    """The clips as a split of shards with their indexes."""
    (folder / "train").mkdir(parents=True)
    for number, begin in enumerate(range(0, len(clips), SHARD)):
        tar = folder / "train" / f"{number:06d}.tar"
        samples = ((clips[i], _meta(i)) for i in range(begin, min(begin + SHARD, len(clips))))
        contents = write_shard(tar, samples, codec)
        write_index(tar.with_suffix(".json"), ShardIndex(f"train/{number:06d}", contents))
    return list_shards(folder, "train")


def _meta(number: int) -> ClipMeta:
    return ClipMeta(f"{number:05d}", "x", number % LABELS, WORD[0], WORD[1])


def plan_plain(store: ClipStore, recipe: Recipe, epoch: int) -> list[tuple[list[Choice], Draws]]:
    """The random choices of an epoch, per batch, as the plain implementation takes them."""
    order_N = store.order(seed=recipe.stream_seed, epoch=epoch)
    planned = []
    for step, chosen_B in enumerate(torch.split(order_N, recipe.batch)):
        draws = draw(recipe, len(chosen_B), epoch=epoch, step=step)
        planned.append((choose_views(chosen_B, draws, WORD, FRAMES), draws))
    return planned


def load_ours(store: ClipStore, recipe: Recipe, epoch: int) -> Iterator[Tensor]:
    """The frames of an epoch after mixup, prefetched as in training."""
    for micro_batches in Stream(store, recipe).epoch(epoch):
        for micro_batch in micro_batches:
            yield micro_batch.view.frames_BTHW


def load_plain(
    dataset: PlainClips, planned: Sequence[tuple[list[Choice], Draws]]
) -> Iterator[Tensor]:
    """The frames of an epoch after mixup."""
    place = 0
    for choices, draws in planned:
        samples = [dataset[place + row] for row in range(len(choices))]
        place += len(choices)
        frames_BTHW, lengths_B, _ = collate(samples)
        yield mix(frames_BTHW, lengths_B, draws)


def open_way(name: str, folder: Path, clips: Sequence[Crops], batch: int) -> Load:
    """A function that loads an epoch in the given way, from the files in `folder`."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    recipe = Recipe(batch=batch)
    raw = list_shards(folder / "raw", "train")
    if name.startswith("plain"):
        planned = plan_plain(MemoryStore.read(raw, Shrink.for_recipe(recipe)), recipe, 0)
        order = [choice for choices, _ in planned for choice in choices]
        labels, paths = labels_of(clips), sorted(folder.glob("*.npz"))
        held = HeldClips(clips, labels, order)
        dataset = PlainClips(paths, labels, order) if name == BASELINE else held
        return lambda: load_plain(dataset, planned)
    keep_freed_memory()
    if name == IN_MEMORY:
        return partial(load_ours, MemoryStore.read(raw, Shrink.for_recipe(recipe)), recipe, 0)
    refs = list_shards(folder / name.removeprefix(SHARDS), "train")
    return partial(load_ours, ShardStream(refs, Shrink.for_recipe(recipe)), recipe, 0)


def time_way(name: str, folder: Path, clips: Sequence[Crops], batch: int) -> Callable[[], float]:
    """A function that loads an epoch and returns the seconds of CPU time that it took."""
    load = open_way(name, folder, clips, batch)

    def run() -> float:
        start = time.process_time()
        for _ in load():
            pass
        return time.process_time() - start

    return run


def check_same(folder: Path, clips: Sequence[Crops], batch: int) -> None:
    """Exit if our batches differ from those of the plain implementation."""
    ways = (open_way(name, folder, clips, batch)() for name in (BASELINE, IN_MEMORY))
    for plain, ours in zip(*ways, strict=True):
        if plain.shape != ours.shape or not float((plain - ours).abs().max()) <= SAME:
            raise SystemExit("the plain implementation and ours give different batches")


def measure(
    folder: Path, clips: Sequence[Crops], batch: int, rounds: int
) -> dict[str, list[float]]:
    """CPU seconds of the epochs of each way, each way in its own process, in turn."""
    with ExitStack() as stack:
        ways = {
            name: stack.enter_context(WorkerProcess(time_way, name, folder, clips, batch))
            for name in WAYS
        }
        for run in ways.values():
            run()
        seconds: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(rounds):
            for name, run in ways.items():
                seconds[name].append(run())
    return seconds


def format_table(seconds: dict[str, list[float]], clips: int) -> Iterator[str]:
    """The table: clips per second per core, and the ratio to the baseline of the same round."""
    yield f"{'':<24}{'clips/s per core':>17}{'ratio':>8}  spread"
    for name, own in seconds.items():
        ratios = [plain / one for plain, one in zip(seconds[BASELINE], own, strict=True)]
        yield (
            f"{name:<24}{clips / statistics.median(own):>17.0f}"
            f"{statistics.median(ratios):>8.1f}  {min(ratios):.1f}-{max(ratios):.1f}"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--grid", type=Path, default=GRID, help="GRID's root")
    parser.add_argument(
        "--videos", type=int, default=14, help="sentences per speaker, or rendered videos"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    asked = parser.parse_args()
    clips, where = find_clips(asked.grid, asked.videos)
    with TemporaryDirectory() as name:
        folder = Path(name)
        for codec in CODECS:
            write_split(folder / codec, clips, codec)
        write_npz(folder, clips)
        check_same(folder, clips, asked.batch)
        seconds = measure(folder, clips, asked.batch, asked.rounds)
    print(f"{len(clips)} clips of {FRAMES} x 96 x 96 from {where}. {describe_machine(1)}")
    print("\n".join(format_table(seconds, len(clips))))


if __name__ == "__main__":
    main()
