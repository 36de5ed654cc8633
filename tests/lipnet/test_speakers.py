"""Speakers in several splits: counted, stated, and read back."""

import pytest

from lipnet.records import Record
from lipnet.speakers import SpeakerOverlap


@pytest.mark.parametrize(
    ("train", "test", "sentence"),
    [
        ("aa", "a", "One speaker is in all splits: the accuracy is for this speaker"),
        ("ab", "abc", "2 of the 3 speakers of the test clips are in the training clips too"),
        ("ab", "cd", "No speaker of the test clips is in the training clips."),
        ([""], [""], "The speakers are not known"),
        (["a", ""], "b", "The speakers are not known"),
    ],
)
def test_the_sentence_states_for_whom_the_accuracy_is(
    train: str | list[str], test: str | list[str], sentence: str
) -> None:
    clips = [("train", speaker) for speaker in train] + [("test", speaker) for speaker in test]
    overlap = SpeakerOverlap.of([*clips, ("val", "x"), ("unseen", "")])
    assert str(overlap).startswith(sentence)
    assert SpeakerOverlap.parse(Record(overlap.dump())) == overlap
