"""ClipSet: the clips that trained a model, as digests small enough for its weights file."""
# N clips

import base64
import hashlib
import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipnet.records import Record

SLOTS_PER_CLIP = 1024  # so that one in about 1,000 other clips passes for a member
RARE = 1e-3  # a count of matches as high as chance gives this seldom is no chance


@dataclass(frozen=True)
class KnownClips:
    """How many of the `asked` clips have the name of a training clip, by its digest."""

    found: int
    asked: int

    @property
    def by_chance(self) -> float:
        """How many of as many other clips would be expected to match."""
        return self.asked / SLOTS_PER_CLIP

    @property
    def can_be_chance(self) -> bool:
        """Whether as many other clips would match as often with a probability above RARE."""
        terms = (
            math.exp(k * math.log(self.by_chance) - self.by_chance - math.lgamma(k + 1))
            for k in range(self.found)
        )
        return 1 - math.fsum(terms) > RARE


@dataclass(frozen=True, eq=False)
class ClipSet:
    """The digests of N clips: about two bytes each.

    A clip is its id within its source, not its pixels: a copy under another name is not found, and
    another corpus of the same layout may have clips of the same ids.
    """

    source: str
    slots_N: NDArray[np.int64]  # sorted

    @classmethod
    def of(cls, source: str, clip_ids: Iterable[str]) -> "ClipSet":
        """The set of these clips of one source."""
        ids = sorted(set(clip_ids))
        return cls(source, np.sort([_slot(source, clip_id, len(ids)) for clip_id in ids]))

    def __len__(self) -> int:
        return len(self.slots_N)

    def count(self, source: str, clip_ids: Iterable[str]) -> KnownClips:
        """How many of these clips are in the set, with those that match by chance."""
        asked = [_slot(source, clip_id, len(self)) for clip_id in clip_ids]
        found = int(np.isin(np.array(asked, np.int64), self.slots_N).sum())
        return KnownClips(found, len(asked))

    def dump(self) -> dict[str, object]:
        """The set as JSON: its source, number of clips, and the differences of its slots."""
        gaps_N = np.diff(self.slots_N, prepend=0).astype("<u4")
        packed = base64.b64encode(zlib.compress(gaps_N.tobytes(), 9)).decode("ascii")
        return {"source": self.source, "clips": len(self), "digests": packed}

    @classmethod
    def parse(cls, found: Mapping[str, object]) -> "ClipSet":
        """The set of a `dump`; ValueError if it is damaged."""
        record = Record(found)
        clips = record.count("clips")
        try:
            packed = base64.b64decode(record.text("digests"), validate=True)
            inflate = zlib.decompressobj()
            gaps_N = np.frombuffer(inflate.decompress(packed, 4 * clips + 1), "<u4")
        except (ValueError, zlib.error) as error:
            raise ValueError(f"digests: {error}") from None
        if len(gaps_N) != clips:
            raise ValueError(f"digests of {len(gaps_N)} clips instead of {clips}")
        return cls(record.text("source"), np.cumsum(gaps_N, dtype=np.int64))


def _slot(source: str, clip_id: str, clips: int) -> int:
    digest = hashlib.sha256(f"{source}\n{clip_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % max(1, SLOTS_PER_CLIP * clips)
