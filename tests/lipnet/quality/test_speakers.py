"""The comparison of speakers: failures and means per speaker, the most failures first."""

import pandas as pd
import pytest

from lipnet.clip import Clip
from lipnet.quality.page import LISTED_SPEAKERS, format_speakers
from lipnet.quality.speakers import SpeakerQuality, compare_speakers


def clip(name: str, speaker: str) -> Clip:
    return Clip(name, f"{name}.mp4", "blue", "train", speaker, name, "", 0, -1, 1, 4)


CLIPS = [clip("a", "s1"), clip("b", "s1"), clip("c", "s2"), clip("d", "s2"), clip("e", "s3")]
TABLE = pd.DataFrame(
    {"clip_id": ["a", "b", "c"], "interpolated": [0.0, 0.5, 0.1], "jitter": [0.2, 0.4, 0.9]}
)


def test_each_speaker_has_failures_and_means_of_what_was_cut() -> None:
    found = compare_speakers(CLIPS, TABLE)
    assert [(one.speaker, one.clips, one.failed) for one in found] == [
        ("s3", 1, 1),
        ("s2", 2, 1),
        ("s1", 2, 0),
    ]
    assert (found[2].interpolated, found[2].jitter) == (0.25, pytest.approx(0.3))


def test_a_speaker_whose_clips_all_failed_comes_first_and_has_no_means() -> None:
    first = compare_speakers(CLIPS, TABLE)[0]
    assert (first.speaker, first.interpolated, first.jitter) == ("s3", None, None)
    assert "| s3 | 1 | 1 | - | - |" in format_speakers([first])


def test_without_failures_the_least_steady_comes_first() -> None:
    assert [one.speaker for one in compare_speakers(CLIPS[:3], TABLE)] == ["s2", "s1"]


def test_there_is_nothing_to_compare_without_two_known_speakers_or_faces() -> None:
    assert compare_speakers(CLIPS[:2], TABLE) == []
    assert compare_speakers([clip("a", ""), clip("c", "")], TABLE) == []
    assert compare_speakers(CLIPS, TABLE[["clip_id"]]) == []
    assert format_speakers([]) == []


def test_the_page_lists_the_first_speakers_and_counts_the_rest() -> None:
    many = [SpeakerQuality(f"s{n}", 2, 0, 0.0, 1.0) for n in range(LISTED_SPEAKERS + 3)]
    lines = format_speakers(many)
    assert sum(line.startswith("| s") for line in lines) == LISTED_SPEAKERS + 1  # with the heading
    assert "3 more are in quality.json" in lines[2]
    assert "| s0 | 2 | 0 | 0.00 % | 1.00 |" in lines
