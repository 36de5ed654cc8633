"""The benchmark of feeding reads every clip of its corpus once, and computes from what it took."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import feed
from benchmarks.feed import Fed, format_table, write_corpus
from lipnet.shards.storage import list_shards
from lipnet.shards.tar import read_shard


def test_an_epoch_has_every_clip_of_the_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "SHARD", 16)
    random = np.random.default_rng(0)
    clips = [random.integers(0, 40, (29, 96, 96)).astype(np.uint8) for _ in range(3)]
    written = write_corpus(tmp_path, clips, 40)
    refs = list_shards(tmp_path, "train")
    assert [ref.clips for ref in refs] == [16, 16, 8]
    assert sum(ref.bytes for ref in refs) == written
    stored = [(meta.clip_id, crops) for ref in refs for crops, meta in read_shard(ref)]
    assert len({clip_id for clip_id, _ in stored}) == 40
    assert all(np.array_equal(crops, clips[n % 3]) for n, (_, crops) in enumerate(stored))
    fed = feed.feed(tmp_path, 1)
    assert (fed.clips, 0 < fed.own_cpu <= fed.cpu) == (40, True)
    assert len(fed.memory) in (2, feed.PARTS)


def test_more_cores_are_limited_by_the_thread_that_puts_batches_together() -> None:
    fed = Fed(1000, wall=2.0, cpu=2.0, own_cpu=0.1, memory=(0.5,), peak=0.6)
    assert (fed.expect(16), fed.expect(64)) == (8000, 10_000)
    assert "8,000 on 16 cores, 10,000 on 64 cores" in list(format_table({1: fed}))[-1]
