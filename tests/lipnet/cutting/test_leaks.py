"""Leaks: every clip whose crops another split has, and no other."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.cutting.leaks import find_leaks
from lipnet.shards.index import ShardIndex, write_index
from lipnet.shards.meta import ClipMeta
from lipnet.shards.tar import write_shard

# Pictures by number; 2 has the frames of 1 in another order, and so the same statistics.
ONE = np.random.default_rng(1).integers(0, 256, (3, 8, 8)).astype(np.uint8)
PICTURES = [np.full((2, 8, 8), 7, np.uint8), ONE, ONE[::-1].copy(), ONE + 1, np.zeros_like(ONE)]


@settings(max_examples=15)
@given(
    st.dictionaries(
        st.sampled_from(["train", "val", "test"]),
        st.lists(st.integers(0, len(PICTURES) - 1), max_size=4),
        min_size=1,
    )
)
def test_the_splits_that_share_pictures_are_named(splits: dict[str, list[int]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        paths = []
        for split, pictures in splits.items():
            clips = [
                (PICTURES[picture], ClipMeta(f"{split}-{number}", "a", 0, 0, 1))
                for number, picture in enumerate(pictures)
            ]
            path = Path(place) / split / "000000.json"
            contents = write_shard(path.with_suffix(".tar"), clips, "delta")
            write_index(path, ShardIndex(f"{split}/000000", contents))
            paths.append(path)
        found = find_leaks(paths)
    shared: dict[int, dict[str, str]] = {}
    for split, pictures in splits.items():
        for picture in set(pictures):
            shared.setdefault(picture, {})[split] = f"{split}-{pictures.index(picture)}"
    expected = [ids for ids in shared.values() if len(ids) > 1]
    assert sorted(map(str, found)) == sorted(map(str, expected))
