"""Cutting clips out of videos into shards, one shard a unit of work and of resuming."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lipnet.clip import FPS, Clip
from lipnet.data.shards import Crops, Meta, facts_as_json, write_shard
from lipnet.files import digest_of, write_json
from lipnet.video.align import STABLE, face_digest, load_face
from lipnet.video.crop import CropOptions, crop_matrices, crop_mouth
from lipnet.video.decode import VideoError, iter_frames
from lipnet.video.tracks import TrackPlace, digest_video, read_finished, read_track

# T frames  H W pixels


@dataclass(frozen=True)
class VideoClips:
    """A video, where its landmarks lie, and the clips to cut from it for one shard."""

    video: str
    track: TrackPlace
    clips: tuple[Clip, ...]


@dataclass(frozen=True)
class CutUnit:
    """A shard to be: `name` is "<split>/<number>"."""

    name: str
    videos: tuple[VideoClips, ...]


def plan_shards(
    clips: Sequence[Clip], places: Mapping[str, TrackPlace], clips_per_shard: int
) -> list[CutUnit]:
    """Units a split, the videos in an order scattered by a hash of their names.

    A corpus is sorted by word; a shard of one word alone would need an endless shuffle buffer.
    A video's clips stay together, so that it is decoded once.
    """
    units: list[CutUnit] = []
    for split in sorted({clip.split for clip in clips}):
        chosen = sorted((c for c in clips if c.split == split), key=_scatter)
        videos = [
            VideoClips(video, places[video], tuple(group))
            for video, group in groupby(chosen, key=lambda clip: clip.video)
        ]
        for number, filled in enumerate(_fill(videos, clips_per_shard)):
            units.append(CutUnit(f"{split}/{number:06d}", tuple(filled)))
    return units


def _scatter(clip: Clip) -> tuple[str, str, str]:
    return hashlib.sha256(clip.video.encode()).hexdigest(), clip.video, clip.clip_id


def _fill(videos: Sequence[VideoClips], clips_per_shard: int) -> Iterator[list[VideoClips]]:
    held: list[VideoClips] = []
    size = 0
    for video in videos:
        if held and size + len(video.clips) > clips_per_shard:
            yield held
            held, size = [], 0
        held.append(video)
        size += len(video.clips)
    if held:
        yield held


@dataclass(frozen=True)
class CutPlaces:
    """Folders: the source's root, the track files, and where shards go."""

    root: Path
    landmarks: Path
    folder: Path


class Cutter:
    """Turns units into shards in `places.folder`; one finished earlier is only looked up."""

    def __init__(
        self,
        places: CutPlaces,
        *,
        options: CropOptions,
        labels: Sequence[str],
        made_by: Mapping[str, object],
    ) -> None:
        self._places = places
        self._options = options
        self._face = load_face(options.face)
        self._label_index = {label: place for place, label in enumerate(labels)}
        self._made_by = dict(made_by)

    def __call__(self, unit: CutUnit) -> dict[str, Any]:
        """The shard's index: fingerprint, what it holds, failures with reasons."""
        fingerprint = self._fingerprint(unit)
        index = self._places.folder / f"{unit.name}.json"
        shard = self._places.folder / f"{unit.name}.tar"
        finished = read_finished(index, fingerprint)
        if finished is not None and shard.is_file():
            return finished
        index.unlink(missing_ok=True)
        failures: list[dict[str, str]] = []
        facts = write_shard(shard, self._cut(unit, failures))
        made = {"name": unit.name, "fingerprint": fingerprint, "failures": failures}
        record = {**made, **facts_as_json(facts)}
        write_json(index, record)
        return record

    def _fingerprint(self, unit: CutUnit) -> str:
        """Of the options and code, and of each video's bytes, landmarks and clips."""
        inputs = []
        for video in unit.videos:
            points = read_track(self._places.landmarks, video.track).points_TP2
            track = hashlib.sha256(points.tobytes()).hexdigest()[:16]
            clips = [{**asdict(c), "index": self._label_index[c.label]} for c in video.clips]
            inputs.append([digest_video(self._places.root / video.video), track, clips])
        return digest_of({"made_by": self._made_by, "videos": inputs})

    def _cut(self, unit: CutUnit, failures: list[dict[str, str]]) -> Iterator[tuple[Crops, Meta]]:
        for video in unit.videos:
            try:
                crops_THW = self._crop_video(video)
            except VideoError as error:
                failures += [fail_clip(clip, error) for clip in video.clips]
                continue
            for clip in video.clips:
                try:
                    yield cut_clip(clip, crops_THW, self._label_index[clip.label])
                except VideoError as error:
                    failures.append(fail_clip(clip, error))

    def _crop_video(self, video: VideoClips) -> Crops:
        points = read_track(self._places.landmarks, video.track).points_TP2
        try:
            matrices = crop_matrices(points, self._face, self._options)
        except ValueError as error:
            raise VideoError("degenerate_face", str(error)) from error
        return crop_mouth(
            iter_frames(self._places.root / video.video), matrices, self._options.size
        )


def describe_crops(options: CropOptions) -> dict[str, object]:
    """What decides a crop besides video, landmarks and code: options, with the face's digest."""
    return {
        "size": options.size,
        "smooth": options.smooth,
        "smooth_centre": options.smooth_centre,
        "stable_points": list(STABLE),
        "reference_face": face_digest(options.face),
        "opencv": cv2.__version__,
    }


def fail_clip(clip: Clip, error: VideoError) -> dict[str, str]:
    """The record of a clip that could not be cut."""
    return {"clip_id": clip.clip_id, "reason": error.reason, "detail": error.detail}


def cut_clip(clip: Clip, crops_THW: Crops, label_index: int) -> tuple[Crops, Meta]:
    """The clip's window of the video's crops, and its facts with the word counted from there.

    VideoError "window_empty" where the video has no frame in the window, "word_missing" where
    the window, cut to the video, holds no frame of the word.
    """
    rate = FPS / clip.fps
    length = len(crops_THW)
    first = min(max(0, round(clip.first * rate)), length)
    last = length if clip.last < 0 else min(round(clip.last * rate), length)
    if last <= first:
        detail = f"frames {clip.first} to {clip.last} of a video of {length}"
        raise VideoError("window_empty", detail)
    word = np.clip([round(clip.word_first * rate), round(clip.word_last * rate)], first, last)
    if word[0] >= word[1]:
        detail = f"word in frames {clip.word_first} to {clip.word_last}, video of {length}"
        raise VideoError("word_missing", detail)
    meta: Meta = {
        "clip_id": clip.clip_id,
        "label": clip.label,
        "label_index": label_index,
        "speaker": clip.speaker,
        "unit": clip.unit,
        "slot": clip.slot,
        "word_first": int(word[0] - first),
        "word_last": int(word[1] - first),
    }
    return crops_THW[first:last], meta
