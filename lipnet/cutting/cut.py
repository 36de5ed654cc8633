"""Cutting clips out of videos into shards; a shard is what a job makes and what a rerun finds."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipnet.clip import Clip
from lipnet.crops.align import load_face
from lipnet.crops.border import share_outside
from lipnet.crops.crop import CropOptions, crop_matrices, crop_mouth
from lipnet.cutting.plan import NO_TRACK, CutJob, VideoClips
from lipnet.cutting.precropped import digest_precropped, read_precropped
from lipnet.cutting.upload import make_keeper
from lipnet.cutting.window import check_whole, cut_clip, fail_clip
from lipnet.files import digest_of
from lipnet.landmarks.store import MISSING, digest_video, read_track
from lipnet.shards.codec import DEFAULT_CODEC, Crops, find_codec
from lipnet.shards.index import ClipFailure, ShardIndex
from lipnet.shards.meta import ClipMeta
from lipnet.shards.tar import write_shard
from lipnet.video.decode import VideoError, iter_frames

# T frames  H W pixels
CHANGED = "changed"  # the reason of a failure that a second try may not have
Samples = Iterator[tuple[Crops, ClipMeta]]


@dataclass(frozen=True)
class CutFolders:
    """Folders: the source's root, the track files, where shards are made; the URL they go to."""

    root: Path
    landmarks: Path
    shards: Path
    url: str = ""


class Cutter:
    """Makes the shards of jobs, and keeps them as `folders` has it; a finished one is looked up."""

    def __init__(
        self,
        folders: CutFolders,
        *,
        options: CropOptions,
        labels: Sequence[str],
        made_by: Mapping[str, object],
        codec: str = DEFAULT_CODEC,
    ) -> None:
        self._folders = folders
        self._keeper = make_keeper(folders.shards, folders.url)
        self._codec = codec
        self._options = options
        self._face = load_face(options.face)
        self._label_index = {label: index for index, label in enumerate(labels)}
        self._made_by = {**made_by, "codec": codec, "packed_with": find_codec(codec).made_with}

    def __call__(self, job: CutJob) -> ShardIndex:
        """The index of the job's shard, which is made unless the same work was done before."""
        digests = {video.video: self._digest(video) for video in job.videos}
        fingerprint = self._fingerprint(job, digests)
        finished = self._keeper.find(job.name, fingerprint)
        # A video that was replaced while it was read may be back as it was.
        if finished is not None and CHANGED not in finished.failed:
            return finished
        shard = self._folders.shards / f"{job.name}.tar"
        shard.with_suffix(".json").unlink(missing_ok=True)
        failures: list[ClipFailure] = []
        contents = write_shard(shard, self._cut(job, digests, failures), self._codec)
        index = ShardIndex(job.name, contents, fingerprint, self._made_by, tuple(failures))
        return self._keeper.keep(index)

    def _fingerprint(self, job: CutJob, digests: Mapping[str, Sequence[str]]) -> str:
        """Digest of the options and code, and of each video's bytes, landmarks and clips."""
        inputs = []
        for video in job.videos:
            clips = [{**asdict(c), "index": self._label_index[c.label]} for c in video.clips]
            inputs.append([*digests[video.video], clips])
        return digest_of({"made_by": self._made_by, "videos": inputs})

    def _digest(self, video: VideoClips) -> list[str]:
        """Digests of what the video's crops are made from."""
        if video.track == NO_TRACK:
            return [digest_precropped(video.clips, self._folders.root)]
        points = read_track(self._folders.landmarks, video.track).points_TP2
        track = hashlib.sha256(points.tobytes()).hexdigest()[:16]
        return [digest_video(self._folders.root / video.video), track]

    def _cut(
        self, job: CutJob, digests: Mapping[str, Sequence[str]], failures: list[ClipFailure]
    ) -> Samples:
        """The job's clips; those that cannot be cut are appended to `failures`."""
        for video in job.videos:
            if video.track == NO_TRACK:
                yield from self._read_precropped(video, digests[video.video], failures)
                continue
            try:
                _check_video(video, digests[video.video][0])
                check_whole(video.clips, self._folders.root / video.video)
                crops_THW, outside_T = self._crop_video(video)
                self._check_same(video, digests[video.video])
            except VideoError as error:
                failures += [fail_clip(clip, error) for clip in video.clips]
                continue
            for clip in video.clips:
                try:
                    yield cut_clip(clip, crops_THW, self._label_index[clip.label], outside_T)
                except VideoError as error:
                    failures.append(fail_clip(clip, error))

    def _read_precropped(
        self, video: VideoClips, digest: Sequence[str], failures: list[ClipFailure]
    ) -> Samples:
        made: list[tuple[Clip, Crops]] = []
        for clip in video.clips:
            try:
                made.append(read_precropped(clip, self._folders.root, self._options.size))
            except VideoError as error:
                failures.append(fail_clip(clip, error))
        try:
            self._check_same(video, digest)
        except VideoError as error:
            failures += [fail_clip(own, error) for own, _ in made]
            return
        for own, crops_THW in made:
            yield cut_clip(own, crops_THW, self._label_index[own.label])

    def _check_same(self, video: VideoClips, digest: Sequence[str]) -> None:
        """VideoError "changed" if the video was replaced since it was digested."""
        if self._digest(video) != list(digest):
            raise VideoError(CHANGED, "it was replaced while its clips were cut")

    def _crop_video(self, video: VideoClips) -> tuple[Crops, NDArray[np.float64]]:
        """The crops of all frames of the video, and the share of each that was outside of it."""
        points = read_track(self._folders.landmarks, video.track).points_TP2
        try:
            matrices = crop_matrices(points, self._face, self._options)
        except ValueError as error:
            raise VideoError("degenerate_face", str(error)) from error
        frames = iter_frames(self._folders.root / video.video)
        first = next(frames)
        crops_THW = crop_mouth(chain([first], frames), matrices, self._options.size)
        return crops_THW, share_outside(matrices, first.shape, self._options.size)


def _check_video(video: VideoClips, digest: str) -> None:
    """VideoError "changed" if the landmarks were made from a video with other bytes."""
    if digest not in (video.track.digest, MISSING):
        raise VideoError(
            CHANGED, "its landmarks were made from other bytes; run the stage landmarks again"
        )
