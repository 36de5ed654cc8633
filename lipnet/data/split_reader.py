"""SplitReader: the clips of a split as its shards store them, each checked before it is used."""

from array import array
from collections.abc import Iterable, Iterator, Sequence

from lipnet.errors import InputError
from lipnet.shards.meta import ClipMeta
from lipnet.shards.storage import ShardRef
from lipnet.shards.tar import ClipPlace, StoredClip, StoredShard, open_stored

RERUN_SHARDS = "run the stage shards again"


class SplitReader:
    """Reads shards of one split. `labels` are those of the profile in class order; with None, the
    clips' labels are not checked."""

    def __init__(self, labels: Sequence[str] | None = None) -> None:
        self._labels = labels
        self._shard_of: dict[str, str] = {}  # of each clip found so far
        self._starts: dict[ShardRef, array[int]] = {}  # of the clips of each checked shard

    def read(self, ref: ShardRef, rows: Sequence[int] | None = None) -> Iterator[StoredClip]:
        """The shard's clips, still packed, in order; with `rows`, only those of these numbers, in
        that order, without reading the pixels of others.

        All clips of a shard are checked when it is first read, and again each time if its SHA-256
        is not known. InputError if the shard is damaged, holds another number of clips than its
        index lists, a clip twice or one of another shard, or a label that is not the profile's.
        """
        with open_stored(ref) as shard:
            for place in self._find(shard, ref, rows):
                yield shard.read(place)

    def read_metas(self, ref: ShardRef) -> list[ClipMeta]:
        """The metadata of the shard's clips, checked as by `read`, without reading pixels."""
        with open_stored(ref) as shard:
            return [place.meta for place in self._find(shard, ref, None)]

    def _find(
        self, shard: StoredShard, ref: ShardRef, rows: Sequence[int] | None
    ) -> Iterable[ClipPlace]:
        """The places of the clips of these numbers, or of all."""
        starts = self._starts.get(ref)
        if starts is None:
            places = self._check(shard, ref)
            return places if rows is None else [places[row] for row in rows]
        chosen = starts if rows is None else [starts[row] for row in rows]
        return map(shard.place_at, chosen)

    def _check(self, shard: StoredShard, ref: ShardRef) -> list[ClipPlace]:
        """All clips of a shard. Where they start is kept if the shard has a SHA-256, which opening
        compares: then it is the same at each later read."""
        found: set[str] = set()
        places = list(shard.places())
        for place in places:
            self._check_label(place.meta, ref)
            self._check_once(place.meta.clip_id, ref, found)
        if len(places) != ref.clips:
            raise InputError(
                f"shard {ref.location} holds {len(places)} clips, but its index lists {ref.clips}; "
                f"{RERUN_SHARDS}"
            )
        if ref.sha256:
            self._starts[ref] = array("q", (place.pixels.start for place in places))
        return places

    def _check_label(self, meta: ClipMeta, ref: ShardRef) -> None:
        if self._labels is None:
            return
        known = self._labels[meta.label_index : meta.label_index + 1]
        if list(known) != [meta.label]:
            there = f"is {known[0]!r}" if known else f"is not one of the {len(self._labels)}"
            raise InputError(
                f"clip {meta.clip_id} in {ref.location} has the label {meta.label!r}, and number "
                f"{meta.label_index}, which {there} of the profile's labels: {RERUN_SHARDS}"
            )

    def _check_once(self, clip_id: str, ref: ShardRef, found: set[str]) -> None:
        home = self._shard_of.setdefault(clip_id, ref.location)
        if clip_id in found or home != ref.location:
            others = "twice" if home == ref.location else f"and in {home}"
            raise InputError(f"clip {clip_id} is in {ref.location} {others}: {RERUN_SHARDS}")
        found.add(clip_id)
