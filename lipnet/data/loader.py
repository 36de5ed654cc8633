"""Batches of clips from shards: held in memory where the split fits, streamed where it does not.

The order of an epoch is the same in both: a function of (seed, epoch) and of how many clips each
shard has, known before a clip is read.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipnet.data.augment import ClipBatch
from lipnet.data.prefetch import work_ahead
from lipnet.data.shrink import Shrink
from lipnet.device import free_bytes
from lipnet.errors import InputError
from lipnet.seed import generator_of
from lipnet.shards.meta import ClipMeta
from lipnet.shards.storage import ShardRef, list_shards
from lipnet.shards.tar import StoredClip, read_stored

# N clips  B batch  T frames  H W pixels
Frames = NDArray[np.uint8]
Sample = tuple[Frames, ClipMeta]
FREE_SHARE = 0.5  # of a device's free memory that clips may take
MOST_THREADS = 8  # that unpack clips
AGAIN = "run the stage shards again"
POOL = 2048  # clips shuffled together; more than a shard has, so that its neighbours part


@dataclass(frozen=True)
class ClipFacts:
    """What the clips are, beside their pixels, in the order in which `ordered` yields them."""

    clip_ids: list[str]
    units: list[str]
    slots: list[str]
    speakers: list[str]
    labels: list[int]


class ClipStore(Protocol):
    """One split's clips, numbered as stored, as batches on the CPU."""

    def __len__(self) -> int: ...

    def order(self, *, seed: int, epoch: int) -> Tensor:
        """The numbers of all clips [N], shuffled by (seed, epoch)."""
        ...

    def batches(self, chosen: Sequence[Tensor]) -> Iterator[ClipBatch]:
        """The clips of each tensor of numbers, in its order; quick where it follows `order`."""
        ...

    def facts(self) -> ClipFacts:
        """The clips' ids, units, slots, speakers and labels, as stored."""
        ...


def ordered(clips: ClipStore, batch: int) -> Iterator[ClipBatch]:
    """Every clip once, as stored."""
    return clips.batches(torch.split(torch.arange(len(clips)), batch))


def open_split(
    shards: Path,
    split: str,
    *,
    shrink: Shrink,
    memory_gib: float = 8.0,
    device: torch.device | None = None,
) -> ClipStore:
    """The clips of `shards/<split>`, wherever they lie, shrunk; in memory if they fit the budget,
    and on a CUDA `device` if they fit half of what is free there.

    Raises InputError where the split has no shards.
    """
    refs = list_shards(shards, split)
    if not refs:
        raise InputError(f"no shards in {shards / split}: run the stage `shards` first")
    # Twice while they are put together: as they come, and each filled up to the longest.
    filled = sum(ref.clips for ref in refs) * max(ref.longest for ref in refs)
    needed = (sum(ref.frames for ref in refs) + filled) * shrink.size**2
    if needed > memory_gib * 2**30:
        return ShardStream(refs, shrink)
    held = MemoryStore.read(refs, shrink)
    fits = filled * shrink.size**2 <= FREE_SHARE * free_bytes(device)
    return held.to(device) if device is not None and fits else held


def _unpack_all(stored: Iterable[StoredClip], shrink: Shrink) -> Iterator[Sample]:
    """Each clip's shrunk crops and facts, in order; unpacking uses as many cores as torch does.

    InputError for a clip of another size than the first, or too small to be shrunk so.
    """

    def unpack(clip: StoredClip) -> tuple[Sample, tuple[int, ...]]:
        crops_THW = clip.crops()
        smallest = min(crops_THW.shape[1:])
        if smallest < shrink.keep:
            raise InputError(
                f"clip {clip.meta.clip_id} in {clip.shard} has crops of {smallest} pixels, "
                f"and the recipe needs {shrink.keep}: lower recipe.field or raise crops.size"
            )
        return (shrink(crops_THW), clip.meta), crops_THW.shape[1:]

    threads = min(MOST_THREADS, torch.get_num_threads())
    first: tuple[int, ...] = ()
    for sample, size in work_ahead(stored, unpack, threads=threads, ahead=4 * threads):
        first = first or size
        if size != first:
            raise InputError(
                f"clip {sample[1].clip_id} has crops of {size[0]} x {size[1]} pixels among "
                f"clips of {first[0]} x {first[1]}: {AGAIN}"
            )
        yield sample


def shuffle(sizes: Sequence[int], *, seed: int, epoch: int, pool: int = POOL) -> Tensor:
    """The numbers of all clips of shards of these sizes [N], shuffled by (seed, epoch): the shards,
    and then the clips within each pool of shards that hold `pool` clips or more together."""
    generator = generator_of("order", seed, epoch)
    begins = np.cumsum([0, *sizes])
    shards = torch.randperm(len(sizes), generator=generator).tolist()
    mixed = []
    for run in _pools(sizes, shards, pool):
        numbers_N = torch.cat([torch.arange(begins[i], begins[i + 1]) for i in run])
        mixed.append(numbers_N[torch.randperm(len(numbers_N), generator=generator)])
    return torch.cat(mixed)


def _pools(sizes: Sequence[int], shards: Iterable[int], pool: int) -> Iterator[list[int]]:
    """Shards in runs of `pool` clips or more; the last may have fewer."""
    held: list[int] = []
    for shard in shards:
        held.append(shard)
        if sum(sizes[i] for i in held) >= pool:
            yield held
            held = []
    if held:
        yield held


class MemoryStore:
    """All clips of a split as one padded array of bytes; `sizes` are its shards', in clips."""

    def __init__(self, clips: ClipBatch, facts: ClipFacts, sizes: Sequence[int] = ()) -> None:
        self._clips = clips
        self._facts = facts
        self._sizes = list(sizes) or [len(facts.labels)]

    @classmethod
    def read(cls, refs: Sequence[ShardRef], shrink: Shrink) -> "MemoryStore":
        """Read whole shards, shrinking every crop."""
        samples = list(_unpack_all((clip for ref in refs for clip in read_stored(ref)), shrink))
        sizes = [ref.clips for ref in refs]
        return cls(collate(samples), _facts_of(meta for _, meta in samples), sizes)

    def to(self, device: torch.device) -> "MemoryStore":
        """The same clips with their frames on `device`."""
        return MemoryStore(self._clips.to(device), self._facts, self._sizes)

    def __len__(self) -> int:
        return len(self._facts.labels)

    def order(self, *, seed: int, epoch: int) -> Tensor:
        return shuffle(self._sizes, seed=seed, epoch=epoch)

    def batches(self, chosen: Sequence[Tensor]) -> Iterator[ClipBatch]:
        return map(self._pick, chosen)

    def facts(self) -> ClipFacts:
        return self._facts

    def _pick(self, chosen_B: Tensor) -> ClipBatch:
        clips = self._clips
        return ClipBatch(
            clips.frames_NTHW,
            clips.lengths_B[chosen_B],
            clips.labels_B[chosen_B],
            clips.words_B2[chosen_B],
            rows_B=chosen_B,
        )


class ShardStream:
    """Clips read whole shards at a time, for splits larger than memory.

    Shuffled shards are taken in pools, whose clips are shuffled together; while one pool is used
    the next is read. Two pools of packed clips are held at most.
    """

    def __init__(self, refs: Sequence[ShardRef], shrink: Shrink, *, pool: int = POOL) -> None:
        self._refs = list(refs)
        self._sizes = [ref.clips for ref in self._refs]
        self._shrink = shrink
        self._pool = pool
        self._begins = np.cumsum([0, *self._sizes])
        self._known: ClipFacts | None = None

    def __len__(self) -> int:
        return int(self._begins[-1])

    def order(self, *, seed: int, epoch: int) -> Tensor:
        return shuffle(self._sizes, seed=seed, epoch=epoch, pool=self._pool)

    def batches(self, chosen: Sequence[Tensor]) -> Iterator[ClipBatch]:
        sizes = [len(chosen_B) for chosen_B in chosen]
        numbers = torch.cat(list(chosen)).numpy() if sizes else np.zeros(0, np.int64)
        samples = _unpack_all(self._read(numbers), self._shrink)
        for size in sizes:
            yield collate(list(islice(samples, size)))

    def facts(self) -> ClipFacts:
        if self._known is None:
            self._known = _facts_of(clip.meta for ref in self._refs for clip in read_stored(ref))
        return self._known

    def _read(self, numbers: NDArray[np.int64]) -> Iterator[StoredClip]:
        """The packed clips of these numbers; each shard is read once and dropped after its last."""
        shards = np.searchsorted(self._begins, numbers, side="right") - 1
        needed, begin = np.unique(shards, return_index=True)
        last = dict(zip(shards.tolist(), range(len(shards)), strict=True))
        waiting = needed[np.argsort(begin)].tolist()
        ahead = max((len(run) for run in _pools(self._sizes, waiting, self._pool)), default=0)
        # The next pool is read, or comes over the network, while this one's clips are used.
        arriving = work_ahead(waiting, self._read_shard, threads=1, ahead=ahead)
        held: dict[int, list[StoredClip]] = {}
        for place, (number, shard) in enumerate(
            zip(numbers.tolist(), shards.tolist(), strict=True)
        ):
            while shard not in held:
                came = next(arriving)
                held[came[0]] = came[1]
            yield held[shard][number - int(self._begins[shard])]
            if last[shard] == place:
                del held[shard]

    def _read_shard(self, shard: int) -> tuple[int, list[StoredClip]]:
        clips = list(read_stored(self._refs[shard]))
        expected = self._refs[shard].clips
        if len(clips) != expected:
            raise InputError(
                f"shard {self._refs[shard].location} holds {len(clips)} clips where its index says "
                f"{expected}; {AGAIN}"
            )
        return shard, clips


def collate(samples: Sequence[Sample]) -> ClipBatch:
    """One padded batch; zeros after each clip's last frame."""
    lengths = [len(crops) for crops, _ in samples]
    frames_BTHW = np.zeros((len(samples), max(lengths), *samples[0][0].shape[1:]), np.uint8)
    for row, (crops, _) in zip(frames_BTHW, samples, strict=True):
        row[: len(crops)] = crops
    metas = [meta for _, meta in samples]
    words = [[meta.word_first, meta.word_last] for meta in metas]
    return ClipBatch(
        torch.from_numpy(frames_BTHW),
        torch.tensor(lengths),
        torch.tensor([meta.label_index for meta in metas]),
        torch.tensor(words),
    )


def _facts_of(metas: Iterable[ClipMeta]) -> ClipFacts:
    listed = list(metas)
    return ClipFacts(
        [meta.clip_id for meta in listed],
        [meta.unit for meta in listed],
        [meta.slot for meta in listed],
        [meta.speaker for meta in listed],
        [meta.label_index for meta in listed],
    )
