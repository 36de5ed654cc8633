"""SpeakerOverlap: whether the speakers of the test clips are also in the training clips."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from lipnet.records import Record


@dataclass(frozen=True)
class SpeakerOverlap:
    """How many speakers the test split has, and how many of them the training split has too.

    `unknown` counts the clips of both splits without a known speaker.
    """

    tested: int
    shared: int
    unknown: int = 0

    @classmethod
    def of(cls, speakers: Iterable[tuple[str, str]]) -> "SpeakerOverlap":
        """The overlap of clips, each as its split and its speaker, who is "" if not known."""
        found: dict[str, set[str]] = {"train": set(), "test": set()}
        unknown = 0
        for split, speaker in speakers:
            if split in found:
                unknown += not speaker
                found[split].add(speaker)
        tested = found["test"] - {""}
        return cls(len(tested), len(tested & found["train"]), unknown)

    @classmethod
    def parse(cls, found: Record) -> "SpeakerOverlap":
        """The overlap in a JSON object; ValueError if it is damaged."""
        return cls(found.count("tested"), found.count("shared"), found.count("unknown"))

    def dump(self) -> dict[str, object]:
        """The overlap as JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """What it means for the accuracy, in a sentence."""
        if self.unknown:
            return (
                "The speakers are not known: those of the test clips may be in the training clips "
                "too, and then the accuracy is not that for other people."
            )
        if self.shared and self.tested == 1:
            return (
                "One speaker is in all splits: the accuracy is for this speaker, not for other "
                "people."
            )
        if self.shared:
            return (
                f"{self.shared} of the {self.tested} speakers of the test clips are in the "
                "training clips too: the accuracy is not that for other people."
            )
        return "No speaker of the test clips is in the training clips."
