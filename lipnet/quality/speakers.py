"""Speakers: what became of each speaker's clips, and how steady their faces are."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lipnet.clip import Clip


@dataclass(frozen=True)
class SpeakerQuality:
    """A speaker's clips, how many failed, and means over the others, None if there are none: the
    share of frames without a face, and the jumps of the mouth's centre in the crop's pixels."""

    speaker: str
    clips: int
    failed: int
    interpolated: float | None
    jitter: float | None


def compare_speakers(clips: Sequence[Clip], table: pd.DataFrame) -> list[SpeakerQuality]:
    """The speakers, none if fewer than two are known: by the share of failed clips, the largest
    first, and then the least steady first.

    `table` has a row per clip that was cut, with the columns `interpolated` and `jitter`.
    """
    speaker_of = {clip.clip_id: clip.speaker for clip in clips if clip.speaker}
    counts = Counter(speaker_of.values())
    if len(counts) < 2 or "jitter" not in table:
        return []
    found = table.assign(speaker=table["clip_id"].map(speaker_of)).dropna(subset=["speaker"])
    grouped = found.groupby("speaker")[["interpolated", "jitter"]]
    means, cut = grouped.mean(), grouped.size()
    speakers = [
        SpeakerQuality(
            speaker,
            clips=count,
            failed=count - int(cut.get(speaker, 0)),
            interpolated=float(means["interpolated"][speaker]) if speaker in cut else None,
            jitter=float(means["jitter"][speaker]) if speaker in cut else None,
        )
        for speaker, count in counts.items()
    ]
    return sorted(speakers, key=_rank)


def _rank(one: SpeakerQuality) -> tuple[float, float, str]:
    return -one.failed / one.clips, -(one.jitter or 0.0), one.speaker
