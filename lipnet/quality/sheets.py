"""The pictures of the quality report: random crops of each split, and the worst crops."""

import hashlib
from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from lipnet.quality.contact_sheet import ACROSS, Band, Tile, draw_sheet, mean_picture
from lipnet.quality.facts import Quality, rank_clips
from lipnet.shards.codec import Crops
from lipnet.shards.meta import ClipMeta
from lipnet.shards.tar import read_clip

ROWS = {"train": 3}  # of tiles; other splits have 1
SEED = "1"


def draw_random(quality: Quality) -> Figure:
    """The word's middle frame of some clips of each split, chosen by a hash of their ids."""
    bands = list(_random_bands(quality))
    remark = (
        "The middle frame of each word, clips chosen by a hash of their ids. First tile: the mean "
        "of all frames of the clips shown; box: what the recipe keeps."
    )
    return draw_sheet(f"Random crops, profile {quality.profile}", remark, bands)


def _random_bands(quality: Quality) -> Iterator[Band]:
    for split, count in quality.splits.items():
        ids = quality.clips.loc[quality.clips["split"] == split, "clip_id"]
        chosen = sorted(ids, key=_hash_order)[: ROWS.get(split, 1) * ACROSS - 1]
        clips = [read_clip(*quality.pixels.stored[clip_id]) for clip_id in chosen]
        if not clips:
            continue
        if split == "train":
            yield _strip_of(*clips[0])
        frames = sum(len(crops) for crops, _ in clips)
        mean = mean_picture([crops for crops, _ in clips])
        tiles = [Tile(mean, "mean", f"of {frames} frames", quality.field)]
        tiles += [Tile(_middle(crops, meta), meta.label, meta.clip_id) for crops, meta in clips]
        yield Band(split, f"{len(clips)} of {count.cut} clips", tiles)


def _strip_of(crops_THW: Crops, meta: ClipMeta) -> Band:
    """One clip from its first frame to its last."""
    word = range(meta.word_first, meta.word_last)
    chosen = np.unique(np.linspace(0, len(crops_THW) - 1, ACROSS).round().astype(int)).tolist()
    tiles = [
        Tile(crops_THW[at], f"frame {at + 1}", "in the word" if at in word else "") for at in chosen
    ]
    return Band("One clip", f"from its first frame to its last: {meta.clip_id}", tiles)


def _middle(crops_THW: Crops, meta: ClipMeta) -> Crops:
    """The word's middle frame."""
    middle = (meta.word_first + meta.word_last) // 2
    return np.asarray(crops_THW[min(middle, len(crops_THW) - 1)])


def _hash_order(clip_id: str) -> str:
    return hashlib.sha256(f"{SEED}/{clip_id}".encode()).hexdigest()


def draw_worst(quality: Quality) -> Figure:
    """One row per ranking."""
    bands = []
    for ranking, worst in rank_clips(quality, ACROSS):
        tiles = []
        for clip_id, value in zip(worst["clip_id"], worst[ranking.column], strict=True):
            crops, meta = read_clip(*quality.pixels.stored[clip_id])
            word = f"{meta.label}  {ranking.format_value(value)}"
            tiles.append(Tile(_middle(crops, meta), word, clip_id))
        bands.append(Band(ranking.title, ranking.remark if tiles else "none", tiles))
    remark = "The worst clip of each of the worst videos: its word's middle frame and its value."
    return draw_sheet(f"Worst crops, profile {quality.profile}", remark, bands)
