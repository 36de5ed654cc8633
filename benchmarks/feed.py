"""Feeding a GPU: an epoch of a made corpus of LRW's shape from shards, by threads that unpack.

    python -m benchmarks.feed [--grid ROOT] [--clips 50000] [--decoders 1 2] [--folder DIR]

The corpus has 29 x 96 x 96 pixels per clip and 500 labels, in shards of 512 clips as `delta`; a few
hundred real clips repeat under ids of their own. A process per number of threads takes an epoch in
a training's order: it reads, checks and unpacks every clip, and puts batches together. Views, which
a training on a GPU makes after this, are not part of it. The shards' SHA-256 is compared while they
are read for the first time, as a training's first epoch does.

A machine may be shared, so the rates are also given per second of CPU time, of all threads and of
the one that puts batches together, which no number of others can outrun. What is printed for more
cores is computed from these two, not measured.
"""

import argparse
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import torch

from benchmarks.clips import FRAMES, GRID, find_clips
from benchmarks.compare import describe_machine
from lipnet.data.loader import open_split
from lipnet.data.shrink import Shrink
from lipnet.device import keep_freed_memory
from lipnet.files import write_json
from lipnet.recipe import Recipe
from lipnet.shards import tar
from lipnet.shards.codec import Codec, Crops, find_codec
from lipnet.shards.index import ShardIndex, write_index
from lipnet.shards.meta import ClipMeta
from lipnet.shards.tar import write_shard

LABELS = [f"WORD{number:03d}" for number in range(500)]
SHARD = 512  # clips, as in the profile lrw
WORD = (9, 20)  # frames
PARTS = 10  # of an epoch, after each of which memory is measured
CORES = (16, 64)  # of machines that rates are computed for
GIB = 2**30


@dataclass(frozen=True)
class Fed:
    """What an epoch took; `memory` is the process's resident size after each part, in GiB."""

    clips: int
    wall: float
    cpu: float
    own_cpu: float  # of the thread that puts batches together
    memory: tuple[float, ...]
    peak: float

    def expect(self, cores: int) -> float:
        """Clips per second if this many cores do nothing else, by arithmetic."""
        return min(cores * self.clips / self.cpu, self.clips / self.own_cpu)


def write_corpus(folder: Path, clips: Sequence[Crops], count: int) -> int:
    """A split `train` of `count` clips, which repeat `clips`; returns the bytes of its shards."""
    packed = {id(crops): find_codec("delta").pack(crops) for crops in clips}
    suffix = next(iter(packed.values()))[0]
    once = Codec("delta", suffix, lambda crops: packed[id(crops)][1])
    write_json(folder / "labels.json", LABELS)
    (folder / "train").mkdir()
    written = 0
    with patch.object(tar, "find_codec", lambda name: once):
        for shard, first in enumerate(range(0, count, SHARD)):
            numbers = range(first, min(first + SHARD, count))
            path = folder / "train" / f"{shard:06d}.tar"
            contents = write_shard(path, ((clips[n % len(clips)], _meta(n)) for n in numbers))
            write_index(path.with_suffix(".json"), ShardIndex(f"train/{shard:06d}", contents))
            written += contents.bytes
    return written


def _meta(number: int) -> ClipMeta:
    label = number % len(LABELS)
    return ClipMeta(f"clip-{number:06d}", LABELS[label], label, *WORD)


def feed(folder: Path, decoders: int) -> Fed:
    """An epoch in this process, which has as many threads to unpack clips."""
    torch.set_num_threads(1)
    keep_freed_memory()
    recipe = Recipe()
    store = open_split(
        folder, "train", shrink=Shrink.for_recipe(recipe), memory_gib=0.0, decoders=decoders
    )
    chosen = torch.split(store.order(seed=1, epoch=0), recipe.batch)
    every = max(1, len(chosen) // PARTS)
    memory, clips = [], 0
    wall, cpu, own = time.perf_counter(), time.process_time(), time.thread_time()
    for number, batch in enumerate(store.batches(chosen), start=1):
        clips += len(batch.labels_B)
        if number % every == 0:
            memory.append(_resident_bytes() / GIB)
    return Fed(
        clips,
        time.perf_counter() - wall,
        time.process_time() - cpu,
        time.thread_time() - own,
        tuple(memory[:PARTS]),
        _peak_bytes() / GIB,
    )


def _peak_bytes() -> int:
    """The most memory that this process had; getrusage's may be that of the one that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def format_table(fed: dict[int, Fed]) -> Iterator[str]:
    """A row per number of threads, and what follows for machines with more cores."""
    yield (
        f"{'threads':<9}{'clips/s':>9}{'per CPU s':>11}{'one thread':>12}"
        f"{'GiB, by tenths of the epoch':>33}{'peak':>20}"
    )
    for decoders, own in fed.items():
        memory = " ".join(f"{gib:.2f}" for gib in own.memory)
        yield (
            f"{decoders:<9}{own.clips / own.wall:>9.0f}{own.clips / own.cpu:>11.0f}"
            f"{own.clips / own.own_cpu:>12.0f}   {memory:<52}{own.peak:.2f}"
        )
    last = fed[max(fed)]
    expected = ", ".join(f"{last.expect(cores):,.0f} on {cores} cores" for cores in CORES)
    yield f"projected for one process, not measured: {expected} clips/s"


def main() -> None:
    """Print the table; the corpus is removed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feed", description=__doc__)
    parser.add_argument("--grid", type=Path, default=GRID, help="GRID's root")
    parser.add_argument("--videos", type=int, default=14, help="per speaker, or rendered videos")
    parser.add_argument("--clips", type=int, default=50_000)
    parser.add_argument("--decoders", type=int, nargs="+", default=[1, 2], metavar="THREADS")
    parser.add_argument("--folder", type=Path, help="where to make the corpus: 5 GB")
    asked = parser.parse_args()
    if asked.folder is not None:
        asked.folder.mkdir(parents=True, exist_ok=True)
    clips, source = find_clips(asked.grid, asked.videos)
    print(describe_machine(max(asked.decoders)))
    with TemporaryDirectory(dir=asked.folder) as name:
        written = write_corpus(Path(name), clips, asked.clips)
        print(
            f"{asked.clips:,} clips of {FRAMES} x 96 x 96 from {len(clips)} of {source}, "
            f"{written / 1e9:.1f} GB",
            flush=True,
        )
        fed = {}
        for decoders in asked.decoders:
            with get_context("spawn").Pool(1) as pool:
                fed[decoders] = pool.apply(feed, (Path(name), decoders))
    print("\n".join(format_table(fed)))


if __name__ == "__main__":
    main()
