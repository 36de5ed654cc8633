"""A batch in parts is the batch."""

import pytest
import torch

from lipnet.models import infer
from lipnet.models.infer import infer_clips


def total(frames_BTHW, lengths_B, word_BT=None):
    """What a model might give: one row a clip, of its own frames, length and word."""
    word_B = 0 if word_BT is None else word_BT.sum(1)
    return (frames_BTHW.sum((1, 2, 3)) * lengths_B + word_B).unsqueeze(1)


@pytest.mark.parametrize("clips", [1, 3, 4, 8, 9])
@pytest.mark.parametrize("with_word", [True, False])
def test_parts_give_what_the_whole_gives(monkeypatch, clips, with_word):
    seen = []

    def forward(*batch):
        seen.append(len(batch[0]))
        return total(*batch)

    monkeypatch.setattr(infer, "PIXELS", 4 * 2 * 5 * 5)
    batch = [torch.randn(clips, 2, 5, 5), torch.arange(clips)]
    if with_word:
        batch.append(torch.rand(clips, 2))
    assert torch.equal(infer_clips(forward, *batch), total(*batch))
    assert sum(seen) == clips
    assert max(seen) <= 4


def test_a_clip_larger_than_a_part_goes_alone(monkeypatch):
    monkeypatch.setattr(infer, "PIXELS", 1)
    batch = torch.randn(3, 2, 5, 5), torch.arange(3)
    assert torch.equal(infer_clips(total, *batch), total(*batch))
