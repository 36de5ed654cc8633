"""SplitReader: the clips of a split as its shards store them, each checked before it is used."""

from collections.abc import Iterator, Sequence

from lipnet.errors import InputError
from lipnet.shards.meta import ClipMeta
from lipnet.shards.storage import ShardRef
from lipnet.shards.tar import StoredClip, read_stored

RERUN_SHARDS = "run the stage shards again"


class SplitReader:
    """Reads shards of one split. `labels` are those of the profile in class order; with None, the
    clips' labels are not checked."""

    def __init__(self, labels: Sequence[str] | None = None) -> None:
        self._labels = labels
        self._shard_of: dict[str, str] = {}  # of each clip read so far

    def read(self, ref: ShardRef) -> Iterator[StoredClip]:
        """The shard's clips, still packed, in order.

        InputError if the shard is damaged, holds another number of clips than its index lists, a
        clip that was read before, or one with a label that is not the profile's.
        """
        found: set[str] = set()
        for clip in read_stored(ref):
            self._check_label(clip.meta, ref)
            self._check_once(clip.meta.clip_id, ref, found)
            yield clip
        if len(found) != ref.clips:
            raise InputError(
                f"shard {ref.location} holds {len(found)} clips, but its index lists {ref.clips}; "
                f"{RERUN_SHARDS}"
            )

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
