"""Planning: videos kept together, words mixed."""

import numpy as np

from lipnet.cutting.plan import plan_shards
from lipnet.landmarks.store import TrackSpan
from tests.lipnet.cutting.clips import clip


def test_the_clips_of_a_video_stay_together_and_words_are_mixed() -> None:
    clips = [
        clip(f"{label}/{i}/{j}", video=f"{label}/{i}.mp4", label=label)
        for label in ("blue", "green")
        for i in range(20)
        for j in range(3)
    ]
    tracks = {c.video: TrackSpan("000000", 0, 1) for c in clips}
    jobs = plan_shards(clips, tracks, 10)
    assert [job.name for job in jobs] == [f"train/{n:06d}" for n in range(14)]
    assert jobs == plan_shards(clips[::-1], tracks, 10)
    listed = [video for job in jobs for video in job.videos]
    assert len({video.video for video in listed}) == len(listed) == 40
    assert sorted(c.clip_id for v in listed for c in v.clips) == sorted(c.clip_id for c in clips)
    mixed = [len({c.label for v in job.videos for c in v.clips}) for job in jobs]
    assert np.mean(mixed) > 1.5
