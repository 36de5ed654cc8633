"""Planning: which clips go into which shard; one shard is one job."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from lipnet.clip import Clip
from lipnet.landmarks.store import TrackSpan

NO_TRACK = TrackSpan("", 0, 0)  # of a video whose mouths are already cropped


@dataclass(frozen=True)
class VideoClips:
    """A video, where its landmarks are, and the clips to cut from it for one shard."""

    video: str
    track: TrackSpan
    clips: tuple[Clip, ...]


@dataclass(frozen=True)
class CutJob:
    """A shard to make: `name` is "<split>/<number>"."""

    name: str
    videos: tuple[VideoClips, ...]


def plan_shards(
    clips: Sequence[Clip], tracks: Mapping[str, TrackSpan], clips_per_shard: int
) -> list[CutJob]:
    """The jobs of each split, with the videos ordered by a hash of their names.

    A corpus is sorted by word; shards of one word each would need an endless shuffle buffer.
    A video's clips stay together, so that it is decoded once.
    """
    jobs: list[CutJob] = []
    for split in sorted({clip.split for clip in clips}):
        chosen = sorted((c for c in clips if c.split == split), key=_hash_order)
        videos = [
            VideoClips(video, tracks.get(video, NO_TRACK), tuple(group))
            for video, group in groupby(chosen, key=lambda clip: clip.video)
        ]
        for number, filled in enumerate(_fill(videos, clips_per_shard)):
            jobs.append(CutJob(f"{split}/{number:06d}", tuple(filled)))
    return jobs


def _hash_order(clip: Clip) -> tuple[str, str, str]:
    return hashlib.sha256(clip.video.encode()).hexdigest(), clip.video, clip.clip_id


def _fill(videos: Sequence[VideoClips], clips_per_shard: int) -> Iterator[list[VideoClips]]:
    shard: list[VideoClips] = []
    size = 0
    for video in videos:
        if shard and size + len(video.clips) > clips_per_shard:
            yield shard
            shard, size = [], 0
        shard.append(video)
        size += len(video.clips)
    if shard:
        yield shard
