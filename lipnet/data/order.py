"""The order of an epoch's clips: a function of (seed, epoch) and the number of clips per shard."""
# N clips

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from lipnet.seed import generator_of

POOL_CLIPS = 2048  # shuffled together; more than a shard holds, so that its clips are separated


def shuffle(sizes: Sequence[int], *, seed: int, epoch: int, pool: int = POOL_CLIPS) -> Tensor:
    """The numbers [N] of all clips of shards of these sizes, shuffled by (seed, epoch).

    First the shards are shuffled, then the clips within each pool: consecutive shards with `pool`
    clips or more together.
    """
    generator = generator_of("order", seed, epoch)
    starts = np.cumsum([0, *sizes])
    shards = torch.randperm(len(sizes), generator=generator).tolist()
    mixed = []
    for members in split_pools(sizes, shards, pool):
        numbers_N = torch.cat([torch.arange(starts[i], starts[i + 1]) for i in members])
        mixed.append(numbers_N[torch.randperm(len(numbers_N), generator=generator)])
    return torch.cat(mixed)


def split_pools(sizes: Sequence[int], shards: Iterable[int], pool: int) -> Iterator[list[int]]:
    """Consecutive shards with `pool` clips or more together; the last pool may have fewer."""
    members: list[int] = []
    for shard in shards:
        members.append(shard)
        if sum(sizes[i] for i in members) >= pool:
            yield members
            members = []
    if members:
        yield members
