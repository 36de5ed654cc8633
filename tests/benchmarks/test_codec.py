"""The benchmark of codecs: lossless codecs are shown as lossless, and raw is the baseline of 1."""

from pathlib import Path

import numpy as np

from benchmarks.codec import (
    OURS,
    Measured,
    format_table,
    list_codecs,
    measure_packing,
    measure_reading,
)
from benchmarks.codec import write_shards as write_all
from lipnet.shards.codec import Crops


def clips() -> list[Crops]:
    """A smooth image that drifts, with some noise, like crops."""
    rng = np.random.default_rng(0)
    rows, columns = np.ogrid[:32, :32]
    picture = (2 * rows + 3 * columns).astype(np.uint8)
    return [
        np.stack([picture + frame + rng.integers(0, 4, (32, 32), np.uint8) for frame in range(5)])
        for _ in range(2)
    ]


def test_the_table_has_every_codec_against_raw(tmp_path: Path) -> None:
    results = {name: Measured() for name in list_codecs()}
    measure_packing(clips(), results)
    measure_reading(write_all(tmp_path, clips()), 2, results)
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ") for line in format_table(results)}
    assert set(OURS) < set(rows)
    assert rows["raw"][2] == "1.000"
    for name in ("raw", "delta", "png", "(png, level 1)", "(webp)"):
        assert rows[name][-1] == "lossless |"
    assert float(rows["delta"][2]) < 0.6
    assert float(rows["jpeg95"][-1].rstrip(" |")) > 35
    assert all(float(rows[name][6]) > 0 for name in OURS)
