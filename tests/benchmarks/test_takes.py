"""Takes per word: more takes include the fewer, and what is held back stays the same."""

from collections import Counter

import numpy as np
import pytest

from benchmarks.takes import pick_takes
from lipnet.clip import Clip
from lipnet.errors import InputError
from lipnet.labels import BACKGROUND
from lipnet.teach.clips import Collected, Cut, cut_take

WORDS = ("no", "yes")


def make_cuts(split: str, takes: int) -> list[Cut]:
    """Takes of 75 frames, with their pauses."""
    cuts: list[Cut] = []
    for word in WORDS:
        for number in range(takes):
            name = f"{word}/{split}-{number}"
            ends = (-14, 15, -14, 15)
            clip = Clip(name, f"{name}.mp4", word, split, "", name, "", *ends, centred=True)
            cuts += cut_take(clip, np.zeros((75, 2, 2), np.uint8))
    return cuts


def test_more_takes_include_the_fewer() -> None:
    splits = {"train": make_cuts("train", 6), "val": make_cuts("val", 1), "test": make_cuts("t", 2)}
    found = Collected(splits, [BACKGROUND, *WORDS], [])
    few, more = (pick_takes(found, count) for count in (2, 5))
    assert few.splits["test"] is found.splits["test"]
    counts = Counter(cut.clip.label for cut in few.splits["train"])
    assert counts == {"no": 2, "yes": 2, BACKGROUND: 8}
    units = [{cut.clip.unit for cut in own.splits["train"]} for own in (few, more)]
    assert units[0] < units[1]
    with pytest.raises(InputError, match="no has 6 takes to train on, not 7"):
        pick_takes(found, 7)
