"""Batches of clips from shards: held in memory if the split fits, else streamed.

The order of an epoch is the same either way: a function of (seed, epoch) and of the number of
clips per shard, known before any clip is read.
"""
# N clips  B batch

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipnet.data.batch import ClipBatch, Sample, as_batch, collate
from lipnet.data.decoded import DecodedSplit, open_decoded
from lipnet.data.order import POOL_CLIPS, shuffle, split_pools
from lipnet.data.prefetch import map_ahead
from lipnet.data.shrink import Shrink
from lipnet.data.split_reader import RERUN_SHARDS, SplitReader
from lipnet.device import free_bytes
from lipnet.errors import InputError
from lipnet.shards.meta import ClipMeta
from lipnet.shards.storage import ShardRef, list_shards
from lipnet.shards.summary import read_labels
from lipnet.shards.tar import StoredClip

MAX_DEVICE_FRACTION = 0.5  # of a device's free memory, for clips
MAX_THREADS = 8  # to decode clips, unless a number is given


@dataclass(frozen=True)
class ClipFacts:
    """The clips' metadata, in the order in which `ordered` yields them."""

    clip_ids: list[str]
    units: list[str]
    slots: list[str]
    speakers: list[str]
    labels: list[int]


class ClipStore(Protocol):
    """One split's clips, numbered in stored order, as batches."""

    def __len__(self) -> int: ...

    @property
    def longest(self) -> int:
        """At least the number of frames of the longest clip."""
        ...

    def order(self, *, seed: int, epoch: int) -> Tensor:
        """The numbers of all clips [N], shuffled by (seed, epoch)."""
        ...

    def batches(self, chosen: Sequence[Tensor]) -> Iterator[ClipBatch]:
        """One batch per tensor of clip numbers, in that order; efficient if it follows `order`."""
        ...

    def facts(self) -> ClipFacts:
        """The clips' metadata, in stored order."""
        ...


def ordered(clips: ClipStore, batch: int) -> Iterator[ClipBatch]:
    """Every clip once, in stored order."""
    return clips.batches(torch.split(torch.arange(len(clips)), batch))


def open_split(
    shards: Path,
    split: str,
    *,
    shrink: Shrink,
    memory_gib: float = 8.0,
    device: torch.device | None = None,
    decoders: int = 0,
    cache: Path | None = None,
) -> ClipStore:
    """The clips of `shards/<split>`, local or remote, shrunk; in memory if they fit the budget, and
    on a CUDA `device` if they fit half of its free memory. `decoders` threads decode them; 0: as
    many as torch uses, at most MAX_THREADS. If they do not fit the budget they are mapped from
    files in the folder `cache`, decoded once; without it they are decoded as they are read.

    Raises InputError if the split has no shards, or the folder no labels. Each clip is checked
    when it is read: see `SplitReader`.
    """
    refs = list_shards(shards, split)
    if not refs:
        raise InputError(f"no shards in {shards / split}: run the stage `shards` first")
    labels = read_labels(shards)
    padded = sum(ref.clips for ref in refs) * max(ref.longest for ref in refs)
    needed = padded * shrink.size**2
    if needed <= memory_gib * 2**30:
        held = MemoryStore.read(refs, shrink, labels=labels, decoders=decoders)
    elif cache is not None:
        held = MemoryStore.map(cache, refs, shrink, labels=labels, decoders=decoders)
    else:
        return ShardStream(refs, shrink, labels=labels, decoders=decoders)
    fits = needed <= MAX_DEVICE_FRACTION * free_bytes(device)
    return held.to(device) if device is not None and fits else held


def _decode_all(
    stored: Iterable[StoredClip], shrink: Shrink, decoders: int = 0
) -> Iterator[Sample]:
    """Each clip's shrunk crops and metadata, in order; decoded by this many threads, 0: as many as
    torch uses, at most MAX_THREADS.

    InputError for a clip of another size than the first, or too small for `shrink`.
    """

    def decode(clip: StoredClip) -> tuple[Sample, tuple[int, ...]]:
        crops_THW = clip.crops()
        smallest = min(crops_THW.shape[1:])
        if smallest < shrink.keep:
            raise InputError(
                f"clip {clip.meta.clip_id} in {clip.shard} has crops of {smallest} pixels, "
                f"and the recipe needs {shrink.keep}: lower recipe.field or raise crops.size"
            )
        return (shrink(crops_THW), clip.meta), crops_THW.shape[1:]

    threads = decoders or min(MAX_THREADS, torch.get_num_threads())
    first: tuple[int, ...] = ()
    for sample, size in map_ahead(stored, decode, threads=threads, ahead=4 * threads):
        first = first or size
        if size != first:
            raise InputError(
                f"clip {sample[1].clip_id} has crops of {size[0]} x {size[1]} pixels among "
                f"clips of {first[0]} x {first[1]}: {RERUN_SHARDS}"
            )
        yield sample


class MemoryStore:
    """All clips of a split as one padded uint8 array, in memory or mapped from a file; `sizes` are
    the clips per shard."""

    def __init__(self, clips: ClipBatch, facts: ClipFacts, sizes: Sequence[int] = ()) -> None:
        self._clips = clips
        self._facts = facts
        self._sizes = list(sizes) or [len(facts.labels)]

    @classmethod
    def read(
        cls,
        refs: Sequence[ShardRef],
        shrink: Shrink,
        *,
        labels: Sequence[str] | None = None,
        decoders: int = 0,
    ) -> "MemoryStore":
        """Read whole shards, shrinking every crop; the clips' labels are among `labels`.

        Each clip is decoded into its place, so that no frame is in memory twice.
        """
        sizes = [ref.clips for ref in refs]
        samples = _read_all(refs, shrink, labels, decoders)
        frames, metas = _fill(samples, sum(sizes), max(ref.longest for ref in refs))
        return cls(as_batch(frames, metas), _facts_of(meta for _, meta in metas), sizes)

    @classmethod
    def map(
        cls,
        cache: Path,
        refs: Sequence[ShardRef],
        shrink: Shrink,
        *,
        labels: Sequence[str],
        decoders: int = 0,
    ) -> "MemoryStore":
        """The same clips, mapped from a file in `cache`; the first process to need it writes it."""
        split = DecodedSplit.of(cache, refs, shrink, labels)
        frames, metas = open_decoded(split, lambda: _read_all(refs, shrink, labels, decoders))
        sizes = [ref.clips for ref in refs]
        return cls(as_batch(frames, metas), _facts_of(meta for _, meta in metas), sizes)

    def to(self, device: torch.device) -> "MemoryStore":
        """The same clips with their frames on `device`."""
        return MemoryStore(self._clips.to(device), self._facts, self._sizes)

    def __len__(self) -> int:
        return len(self._facts.labels)

    @property
    def longest(self) -> int:
        return self._clips.frames_NTHW.shape[1]

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
    """Clips read a shard at a time, for splits larger than memory; of a shard only those that are
    asked for.

    Shuffled shards are grouped into pools, and the clips of a pool are shuffled together. While one
    pool is used the next is read, so at most two pools of encoded clips are in memory.
    """

    def __init__(
        self,
        refs: Sequence[ShardRef],
        shrink: Shrink,
        *,
        pool: int = POOL_CLIPS,
        labels: Sequence[str] | None = None,
        decoders: int = 0,
    ) -> None:
        self._decoders = decoders
        self._reader = SplitReader(labels)
        self._refs = list(refs)
        self._sizes = [ref.clips for ref in self._refs]
        self._shrink = shrink
        self._pool = pool
        self._starts = np.cumsum([0, *self._sizes])
        self._cached_facts: ClipFacts | None = None

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def longest(self) -> int:
        return max(ref.longest for ref in self._refs)

    def order(self, *, seed: int, epoch: int) -> Tensor:
        return shuffle(self._sizes, seed=seed, epoch=epoch, pool=self._pool)

    def batches(self, chosen: Sequence[Tensor]) -> Iterator[ClipBatch]:
        sizes = [len(chosen_B) for chosen_B in chosen]
        numbers = torch.cat(list(chosen)).numpy() if sizes else np.zeros(0, np.int64)
        samples = _decode_all(self._read(numbers), self._shrink, self._decoders)
        for size in sizes:
            yield collate(list(islice(samples, size)))

    def facts(self) -> ClipFacts:
        if self._cached_facts is None:
            self._cached_facts = _facts_of(
                meta for ref in self._refs for meta in self._reader.read_metas(ref)
            )
        return self._cached_facts

    def _read(self, numbers: NDArray[np.int64]) -> Iterator[StoredClip]:
        """The encoded clips of these numbers; each shard is opened once and its clips are dropped
        after the last one that is used."""
        shards = np.searchsorted(self._starts, numbers, side="right") - 1
        needed, first_use = np.unique(shards, return_index=True)
        last_use = dict(zip(shards.tolist(), range(len(shards)), strict=True))
        in_order = needed[np.argsort(first_use)].tolist()
        pools = split_pools(self._sizes, in_order, self._pool)
        ahead = max((len(members) for members in pools), default=0)
        # The next pool is read, or downloaded, while this one's clips are used.
        read_shard = partial(self._read_shard, np.unique(numbers))
        arriving = map_ahead(in_order, read_shard, threads=1, ahead=ahead)
        held: dict[int, dict[int, StoredClip]] = {}
        for index, (number, shard) in enumerate(
            zip(numbers.tolist(), shards.tolist(), strict=True)
        ):
            while shard not in held:
                arrived, clips = next(arriving)
                held[arrived] = clips
            yield held[shard][number]
            if last_use[shard] == index:
                del held[shard]

    def _read_shard(
        self, wanted: NDArray[np.int64], shard: int
    ) -> tuple[int, dict[int, StoredClip]]:
        """The shard, and its clips among the wanted numbers, which are sorted."""
        first, last = np.searchsorted(wanted, self._starts[shard : shard + 2])
        own = wanted[first:last]
        clips = self._reader.read(self._refs[shard], (own - self._starts[shard]).tolist())
        return shard, dict(zip(own.tolist(), clips, strict=True))


def _read_all(
    refs: Sequence[ShardRef], shrink: Shrink, labels: Sequence[str] | None, decoders: int
) -> Iterator[Sample]:
    """All clips of the shards in stored order, decoded."""
    reader = SplitReader(labels)
    return _decode_all((clip for ref in refs for clip in reader.read(ref)), shrink, decoders)


def _fill(
    samples: Iterable[Sample], clips: int, longest: int
) -> tuple[NDArray[np.uint8], list[tuple[int, ClipMeta]]]:
    """Frames [N, T, H, W] of `longest` steps, zero after each clip, with the clips' lengths and
    metadata; InputError for a longer clip. Reading the samples checks their number."""
    frames_NTHW = np.zeros((0, 0, 0, 0), np.uint8)
    metas: list[tuple[int, ClipMeta]] = []
    for number, (crops_THW, meta) in enumerate(samples):
        if not number:
            frames_NTHW = np.zeros((clips, longest, *crops_THW.shape[1:]), np.uint8)
        if len(crops_THW) > longest:
            raise InputError(
                f"clip {meta.clip_id} has {len(crops_THW)} frames, and the indexes list at most "
                f"{longest}: {RERUN_SHARDS}"
            )
        if number < clips:
            frames_NTHW[number, : len(crops_THW)] = crops_THW
        metas.append((len(crops_THW), meta))
    return frames_NTHW, metas


def _facts_of(metas: Iterable[ClipMeta]) -> ClipFacts:
    listed = list(metas)
    return ClipFacts(
        [meta.clip_id for meta in listed],
        [meta.unit for meta in listed],
        [meta.slot for meta in listed],
        [meta.speaker for meta in listed],
        [meta.label_index for meta in listed],
    )
