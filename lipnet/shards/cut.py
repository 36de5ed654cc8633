"""Cutting clips out of videos into shards, one shard a unit of work and of resuming."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.clip import FPS, Clip
from lipnet.crops.align import STABLE, face_digest, load_face
from lipnet.crops.border import share_outside
from lipnet.crops.crop import CropOptions, crop_matrices, crop_mouth
from lipnet.files import digest_of
from lipnet.landmarks.store import TrackPlace, digest_video, read_track
from lipnet.shards.codec import DEFAULT_CODEC, Crops, find_codec
from lipnet.shards.precropped import digest_ready, read_ready
from lipnet.shards.tar import Meta, ShardFacts, facts_as_json, pixel_stats, write_shard
from lipnet.shards.upload import make_keeper
from lipnet.video.decode import VideoError, iter_frames

# T frames  H W pixels
NO_TRACK = TrackPlace("", 0, 0)  # of a video whose mouths are cut already


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
            VideoClips(video, places.get(video, NO_TRACK), tuple(group))
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
    """Folders: the source's root, the track files, where shards are made; the URL they go to."""

    root: Path
    landmarks: Path
    folder: Path
    url: str = ""


class Cutter:
    """Turns units into shards, kept as `places` says; one finished earlier is only looked up."""

    def __init__(
        self,
        places: CutPlaces,
        *,
        options: CropOptions,
        labels: Sequence[str],
        made_by: Mapping[str, object],
        codec: str = DEFAULT_CODEC,
    ) -> None:
        self._places = places
        self._keeper = make_keeper(places.folder, places.url)
        self._codec = codec
        self._options = options
        self._face = load_face(options.face)
        self._label_index = {label: place for place, label in enumerate(labels)}
        self._made_by = {**made_by, "codec": codec, "packed_with": find_codec(codec).made_with}

    def __call__(self, unit: CutUnit) -> dict[str, Any]:
        """The shard's index: fingerprint, what it holds, failures with reasons."""
        fingerprint = self._fingerprint(unit)
        finished = self._keeper.find(unit.name, fingerprint)
        if finished is not None:
            return finished
        shard = self._places.folder / f"{unit.name}.tar"
        shard.with_suffix(".json").unlink(missing_ok=True)
        failures: list[dict[str, str]] = []
        facts = write_shard(shard, self._cut(unit, failures), self._codec)
        made = {"name": unit.name, "fingerprint": fingerprint, "made_by": self._made_by}
        return self._keeper.keep({**made, **describe_shard(facts, failures)})

    def _fingerprint(self, unit: CutUnit) -> str:
        """Of the options and code, and of each video's bytes, landmarks and clips."""
        inputs = []
        for video in unit.videos:
            clips = [{**asdict(c), "index": self._label_index[c.label]} for c in video.clips]
            inputs.append([*self._digest(video), clips])
        return digest_of({"made_by": self._made_by, "videos": inputs})

    def _digest(self, video: VideoClips) -> list[str]:
        """Of what the video's crops are made from."""
        if video.track == NO_TRACK:
            return [digest_ready(video.clips, self._places.root)]
        points = read_track(self._places.landmarks, video.track).points_TP2
        track = hashlib.sha256(points.tobytes()).hexdigest()[:16]
        return [digest_video(self._places.root / video.video), track]

    def _cut(self, unit: CutUnit, failures: list[dict[str, str]]) -> Iterator[tuple[Crops, Meta]]:
        for video in unit.videos:
            if video.track == NO_TRACK:
                yield from self._take_ready(video, failures)
                continue
            try:
                crops_THW, outside_T = self._crop_video(video)
            except VideoError as error:
                failures += [fail_clip(clip, error) for clip in video.clips]
                continue
            for clip in video.clips:
                try:
                    yield cut_clip(clip, crops_THW, self._label_index[clip.label], outside_T)
                except VideoError as error:
                    failures.append(fail_clip(clip, error))

    def _take_ready(
        self, video: VideoClips, failures: list[dict[str, str]]
    ) -> Iterator[tuple[Crops, Meta]]:
        for clip in video.clips:
            try:
                own, crops_THW = read_ready(clip, self._places.root, self._options.size)
            except VideoError as error:
                failures.append(fail_clip(clip, error))
            else:
                yield cut_clip(own, crops_THW, self._label_index[clip.label])

    def _crop_video(self, video: VideoClips) -> tuple[Crops, NDArray[np.float64]]:
        """The crops of all the video's frames, and the share of each that lay outside."""
        points = read_track(self._places.landmarks, video.track).points_TP2
        try:
            matrices = crop_matrices(points, self._face, self._options)
        except ValueError as error:
            raise VideoError("degenerate_face", str(error)) from error
        frames = iter_frames(self._places.root / video.video)
        first = next(frames)
        crops_THW = crop_mouth(chain([first], frames), matrices, self._options.size)
        return crops_THW, share_outside(matrices, first.shape, self._options.size)


def describe_shard(facts: ShardFacts, failures: Sequence[Mapping[str, str]]) -> dict[str, object]:
    """What a shard's index says: what it holds, its brightness (0 to 1), what failed and why."""
    reasons = Counter(failure["reason"] for failure in failures)
    brightness = asdict(pixel_stats([facts]))
    counts = {"failures": list(failures), "failed": dict(sorted(reasons.items()))}
    return {**facts_as_json(facts), "brightness": brightness, **counts}


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


@dataclass(frozen=True)
class Window:
    """Frames [first, last) of a video, and those of the word in them, [word_first, word_last)."""

    first: int
    last: int
    word_first: int
    word_last: int


def find_window(clip: Clip, length: int) -> Window:
    """Where a clip lies in a video of `length` frames at 25 fps.

    VideoError "window_empty" where the video has no frame in the window, "word_missing" where
    the window, cut to the video, holds no frame of the word.
    """
    rate = FPS / clip.fps
    origin = (length - 1) // 2 if clip.centred else 0
    first = min(max(0, origin + round(clip.first * rate)), length)
    last = length if clip.last < 0 else min(origin + round(clip.last * rate), length)
    if last <= first:
        detail = f"frames {clip.first} to {clip.last} of a video of {length}"
        raise VideoError("window_empty", detail)
    ends = [origin + round(at * rate) for at in (clip.word_first, clip.word_last)]
    word = np.clip(ends, first, last)
    if word[0] >= word[1]:
        detail = f"word in frames {clip.word_first} to {clip.word_last}, video of {length}"
        raise VideoError("word_missing", detail)
    return Window(first, last, int(word[0]), int(word[1]))


def cut_clip(
    clip: Clip,
    crops_THW: Crops,
    label_index: int,
    outside_T: NDArray[np.float64] | None = None,
) -> tuple[Crops, Meta]:
    """The clip's window of the video's crops, and its facts with the word counted from there.

    VideoError where `find_window` finds none. Of a ready crop nobody knows what lay outside.
    """
    window = find_window(clip, len(crops_THW))
    span = slice(window.first, window.last)
    outside = 0.0 if outside_T is None else round(float(outside_T[span].mean()), 4)
    meta: Meta = {
        "clip_id": clip.clip_id,
        "label": clip.label,
        "label_index": label_index,
        "speaker": clip.speaker,
        "unit": clip.unit,
        "slot": clip.slot,
        "word_first": window.word_first - window.first,
        "word_last": window.word_last - window.first,
        "outside": outside,
    }
    return crops_THW[span], meta
