"""Batches of clips from shards: held in memory where the split fits, streamed where it does not.

The order of the batches is a function of (seed, epoch) alone in both.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipnet.data.ahead import work_ahead
from lipnet.data.augment import ClipBatch
from lipnet.data.shards import StoredClip, read_stored
from lipnet.data.shrink import Shrink
from lipnet.data.storage import ShardRef, list_shards
from lipnet.errors import InputError
from lipnet.train.seed import generator_of

# N clips  B batch  T frames  H W pixels
Frames = NDArray[np.uint8]
Sample = tuple[Frames, dict[str, object]]
MOST_THREADS = 8  # that unpack clips


@dataclass(frozen=True)
class ClipFacts:
    """What the clips are, beside their pixels, in the order in which `ordered` yields them."""

    clip_ids: list[str]
    units: list[str]
    slots: list[str]
    speakers: list[str]
    labels: list[int]


class ClipStore(Protocol):
    """One split's clips, as batches on the CPU."""

    def __len__(self) -> int: ...

    def shuffled(self, batch: int, *, seed: int, epoch: int) -> Iterator[ClipBatch]:
        """Every clip once, in an order drawn from (seed, epoch); a last batch of 1 is left out,
        because batch statistics of one clip mean nothing."""
        ...

    def ordered(self, batch: int) -> Iterator[ClipBatch]:
        """Every clip once, as stored."""
        ...

    def facts(self) -> ClipFacts:
        """The clips' ids, units, slots, speakers and labels, as `ordered` yields them."""
        ...


def open_split(shards: Path, split: str, *, shrink: Shrink, memory_gib: float = 8.0) -> ClipStore:
    """The clips of `shards/<split>`, wherever they lie, shrunk; in memory if they fit the budget.

    Raises InputError where the split has no shards.
    """
    refs = list_shards(shards, split)
    if not refs:
        raise InputError(f"no shards in {shards / split}: run the stage `shards` first")
    # Twice while they are put together: as they come, and each filled up to the longest.
    filled = sum(ref.clips for ref in refs) * max(ref.longest for ref in refs)
    needed = (sum(ref.frames for ref in refs) + filled) * shrink.size**2
    if needed <= memory_gib * 2**30:
        return MemoryStore.read(refs, shrink)
    return ShardStream(refs, shrink)


def _unpack_all(stored: Iterable[StoredClip], shrink: Shrink) -> Iterator[Sample]:
    """Each clip's shrunk crops and facts, in order; unpacking uses as many cores as torch does."""

    def unpack(clip: StoredClip) -> Sample:
        return shrink(clip.crops()), clip.meta

    threads = min(MOST_THREADS, torch.get_num_threads())
    return work_ahead(stored, unpack, threads=threads, ahead=4 * threads)


class MemoryStore:
    """All clips of a split as one padded array of bytes."""

    def __init__(self, clips: ClipBatch, facts: ClipFacts) -> None:
        self._clips = clips
        self._facts = facts

    @classmethod
    def read(cls, refs: Sequence[ShardRef], shrink: Shrink) -> "MemoryStore":
        """Read whole shards, shrinking every crop."""
        samples = list(_unpack_all((clip for ref in refs for clip in read_stored(ref)), shrink))
        return cls(collate(samples), _facts_of(meta for _, meta in samples))

    def __len__(self) -> int:
        return len(self._facts.labels)

    def shuffled(self, batch: int, *, seed: int, epoch: int) -> Iterator[ClipBatch]:
        order_N = torch.randperm(len(self), generator=generator_of("order", seed, epoch))
        for chosen_B in torch.split(order_N, batch):
            if len(chosen_B) > 1:
                yield self._pick(chosen_B)

    def ordered(self, batch: int) -> Iterator[ClipBatch]:
        for chosen_B in torch.split(torch.arange(len(self)), batch):
            yield self._pick(chosen_B)

    def facts(self) -> ClipFacts:
        return self._facts

    def _pick(self, chosen_B: Tensor) -> ClipBatch:
        clips = self._clips
        lengths_B = clips.lengths_B[chosen_B]
        longest = int(lengths_B.max())
        return ClipBatch(
            clips.frames_BTHW[chosen_B, :longest],
            lengths_B,
            clips.labels_B[chosen_B],
            clips.words_B2[chosen_B],
        )


class ShardStream:
    """Clips read shard by shard through a shuffle buffer, for splits larger than memory."""

    BUFFER = 2048  # clips; more than the largest shard, so that neighbours in a shard part

    def __init__(self, refs: Sequence[ShardRef], shrink: Shrink) -> None:
        self._refs = list(refs)
        self._shrink = shrink
        self._known: ClipFacts | None = None

    def __len__(self) -> int:
        return sum(ref.clips for ref in self._refs)

    def shuffled(self, batch: int, *, seed: int, epoch: int) -> Iterator[ClipBatch]:
        generator = generator_of("order", seed, epoch)
        order = torch.randperm(len(self._refs), generator=generator).tolist()
        samples = self._samples([self._refs[i] for i in order])
        for chosen in _batched(_through_buffer(samples, self.BUFFER, generator), batch):
            if len(chosen) > 1:
                yield collate(chosen)

    def ordered(self, batch: int) -> Iterator[ClipBatch]:
        for chosen in _batched(self._samples(self._refs), batch):
            yield collate(chosen)

    def facts(self) -> ClipFacts:
        if self._known is None:
            self._known = _facts_of(clip.meta for ref in self._refs for clip in read_stored(ref))
        return self._known

    def _samples(self, refs: Sequence[ShardRef]) -> Iterator[Sample]:
        # The next shard is read, or comes over the network, while this one's clips are used.
        whole = work_ahead(refs, lambda ref: list(read_stored(ref)), threads=1, ahead=1)
        return _unpack_all((clip for shard in whole for clip in shard), self._shrink)


def collate(samples: Sequence[Sample]) -> ClipBatch:
    """One padded batch; zeros after each clip's last frame."""
    lengths = [len(crops) for crops, _ in samples]
    frames_BTHW = np.zeros((len(samples), max(lengths), *samples[0][0].shape[1:]), np.uint8)
    for row, (crops, _) in zip(frames_BTHW, samples, strict=True):
        row[: len(crops)] = crops
    metas = [meta for _, meta in samples]
    words = [[_integer(m, "word_first"), _integer(m, "word_last")] for m in metas]
    return ClipBatch(
        torch.from_numpy(frames_BTHW),
        torch.tensor(lengths),
        torch.tensor([_integer(m, "label_index") for m in metas]),
        torch.tensor(words),
    )


def _integer(meta: dict[str, object], key: str) -> int:
    value = meta[key]
    if not isinstance(value, int):
        raise InputError(f"clip {meta.get('clip_id')}: {key} is {value!r}, not a whole number")
    return value


def _facts_of(metas: Iterable[dict[str, object]]) -> ClipFacts:
    listed = list(metas)

    def column(key: str) -> list[str]:
        return [str(meta[key]) for meta in listed]

    labels = [_integer(meta, "label_index") for meta in listed]
    return ClipFacts(column("clip_id"), column("unit"), column("slot"), column("speaker"), labels)


def _batched(samples: Iterable[Sample], batch: int) -> Iterator[list[Sample]]:
    held: list[Sample] = []
    for sample in samples:
        held.append(sample)
        if len(held) == batch:
            yield held
            held = []
    if held:
        yield held


def _through_buffer(
    samples: Iterable[Sample], size: int, generator: torch.Generator
) -> Iterator[Sample]:
    """Each sample once: a random one leaves the full buffer for each that comes in."""
    held: list[Sample] = []
    for sample in samples:
        held.append(sample)
        if len(held) > size:
            place = int(torch.randint(len(held), (1,), generator=generator))
            held[place], held[-1] = held[-1], held[place]
            yield held.pop()
    for place in torch.randperm(len(held), generator=generator).tolist():
        yield held[place]
