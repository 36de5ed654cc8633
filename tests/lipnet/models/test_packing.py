"""Packing drops the padding, unpacking puts zeros there, and the mean counts valid frames."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.models.packing import find_valid_frames


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 3))
def test_pack_unpack_and_mean(lengths, surplus):
    steps = max(lengths) + surplus
    lengths_B = torch.tensor(lengths)
    valid = find_valid_frames(lengths_B, steps=steps, device=torch.device("cpu"))
    grid_BTC = torch.arange(1.0, len(lengths) * steps * 2 + 1).view(len(lengths), steps, 2)
    packed_NC = valid.pack(grid_BTC)
    kept = [row[:length] for row, length in zip(grid_BTC, lengths, strict=True)]
    assert torch.equal(packed_NC, torch.cat(kept))
    unpacked_BTC = valid.unpack(packed_NC)
    for row, clip in zip(unpacked_BTC, kept, strict=True):
        assert torch.equal(row[: len(clip)], clip)
        assert not row[len(clip) :].any()
    torch.testing.assert_close(valid.mean(packed_NC), torch.stack([clip.mean(0) for clip in kept]))
