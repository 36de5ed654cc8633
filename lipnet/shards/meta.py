"""ClipMeta: what a shard stores with a clip's crops."""

import json
from dataclasses import asdict, dataclass

from lipnet.records import Record, parse_json

MAX_META = 2**16  # bytes


@dataclass(frozen=True)
class ClipMeta:
    """One clip: its id, label and speaker, the word's frames [word_first, word_last) in the crops,
    and `outside`, the share of the crops' pixels that were outside of the video's frames.

    `unit` is what is statistically independent, `slot` the word's place in its sentence.
    """

    clip_id: str
    label: str
    label_index: int
    word_first: int
    word_last: int
    speaker: str = ""
    unit: str = ""
    slot: str = ""
    outside: float = 0.0

    @classmethod
    def unlabelled(cls, clip_id: str, word_first: int, word_last: int) -> "ClipMeta":
        """The meta of a clip whose label is not known: label 0."""
        return cls(clip_id, "", 0, word_first, word_last)

    @classmethod
    def parse(cls, content: bytes) -> "ClipMeta":
        """The meta of a shard's member; ValueError, naming the clip, for one that is damaged.

        Shards of an early version have no `outside`.
        """
        found = Record(parse_json(content, limit=MAX_META))
        clip_id = found.text("clip_id")
        try:
            meta = cls(
                clip_id,
                found.text("label"),
                found.count("label_index"),
                found.count("word_first"),
                found.count("word_last"),
                found.text("speaker"),
                found.text("unit"),
                found.text("slot"),
                found.number("outside") if "outside" in found else 0.0,
            )
        except ValueError as error:
            raise ValueError(f"clip {clip_id}: {error}") from None
        meta.check_word(meta.word_last)
        return meta

    def check_word(self, frames: int) -> None:
        """ValueError unless the word has a frame, and all of its frames are among `frames`."""
        if not 0 <= self.word_first < self.word_last <= frames:
            raise ValueError(
                f"clip {self.clip_id}: its word cannot be in the frames {self.word_first} to "
                f"{self.word_last} of {frames}"
            )

    def dump(self) -> bytes:
        """The member's content; equal metas give equal bytes."""
        return json.dumps(asdict(self), sort_keys=True).encode()
