"""Small clips for tests: a bright bar whose position gives the label, with noise."""

import numpy as np
import torch

from lipnet.data.batch import ClipBatch
from lipnet.data.loader import ClipFacts, MemoryStore


def make_store(clips: int, *, labels: int = 3, size: int = 26, seed: int = 0) -> MemoryStore:
    """A store of `clips` clips of 6 to 9 frames, learnable in a few epochs."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(6, 10, clips)
    wanted = np.arange(clips) % labels
    frames = np.zeros((clips, 9, size, size), np.uint8)
    for row, (length, label) in enumerate(zip(lengths, wanted, strict=True)):
        frames[row, :length] = rng.integers(0, 90, (length, size, size))
        top = 4 + 6 * label
        frames[row, :length, top : top + 5] += 120
    batch = ClipBatch(
        torch.from_numpy(frames),
        torch.from_numpy(lengths),
        torch.from_numpy(wanted),
        torch.tensor([[2, 5]] * clips),
    )
    names = [f"clip-{row}" for row in range(clips)]
    facts = ClipFacts(names, names, [""] * clips, ["s"] * clips, wanted.tolist())
    return MemoryStore(batch, facts)
