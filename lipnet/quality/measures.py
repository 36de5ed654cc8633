"""Measures of the preprocessing: each clip's face, from its track, and pixels, from its shard."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lipnet.clip import Clip
from lipnet.crops.align import MOUTH, STABLE, load_face, smooth_forward
from lipnet.crops.crop import CropOptions
from lipnet.cutting.window import find_window
from lipnet.landmarks.store import Track, TrackSpan, read_track
from lipnet.shards.storage import ShardRef
from lipnet.shards.table import ClipRow, read_table
from lipnet.video.decode import VideoError

# N frames of all videos  T frames of one  P landmark points (68)  S stable points (5)
Floats = NDArray[np.float64]
FACE_COLUMNS = ("clip_id", "score", "interpolated", "jitter")
PIXEL_COLUMNS = ("clip_id", "split", "frames", "mean", "std", "outside")


@dataclass(frozen=True)
class TrackMeasures:
    """A video's face, frame by frame: the detector's score (0 if not seen), and the jumps of the
    mouth's centre, in the crop's pixels, as found and after the alignment's smoothing."""

    score_T: Floats
    seen_T: NDArray[np.bool_]
    jitter_T: Floats
    smoothed_T: Floats


@dataclass(frozen=True)
class FaceMeasures:
    """All frames of all tracked videos, and one row per clip (FACE_COLUMNS: means over frames)."""

    clips: pd.DataFrame
    frames: TrackMeasures

    @property
    def interpolated(self) -> int:
        """The number of frames with interpolated landmarks."""
        return int((~self.frames.seen_T).sum())


def measure_faces(
    clips: Sequence[Clip], tracks: Mapping[str, TrackSpan], folder: Path, options: CropOptions
) -> FaceMeasures:
    """The faces of the clips whose videos were tracked."""
    by_video: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        if clip.video in tracks:
            by_video[clip.video].append(clip)
    rows: list[tuple[str, float, float, float]] = []
    parts: list[TrackMeasures] = []
    # In the order of the track files, so that each is read once.
    for video in sorted(by_video, key=lambda name: (tracks[name].shard, tracks[name].first)):
        parts.append(measure_track(read_track(folder, tracks[video]), options))
        rows += measure_windows(by_video[video], parts[-1])
    table = pd.DataFrame(rows, columns=list(FACE_COLUMNS))
    return FaceMeasures(table, _join(parts))


def measure_track(track: Track, options: CropOptions) -> TrackMeasures:
    """One video's face, frame by frame."""
    mouth_T2 = np.asarray(track.points_TP2[:, MOUTH].mean(axis=1), np.float64)
    scale = _scale_to_crop(track.points_TP2, load_face(options.face))
    smoothed_T2 = smooth_forward(mouth_T2, options.smooth)
    return TrackMeasures(
        np.asarray(track.score_T, np.float64),
        track.seen_T,
        scale * _jumps(mouth_T2),
        scale * _jumps(smoothed_T2),
    )


def measure_windows(
    clips: Sequence[Clip], track: TrackMeasures
) -> Iterator[tuple[str, float, float, float]]:
    """One row (FACE_COLUMNS) per clip that has frames in its video."""
    for clip in clips:
        try:
            window = find_window(clip, len(track.seen_T))
        except VideoError:
            continue
        span = slice(window.first, window.last)
        score, jitter = (float(values[span].mean()) for values in (track.score_T, track.jitter_T))
        yield clip.clip_id, score, float((~track.seen_T[span]).mean()), jitter


def _jumps(points_T2: Floats) -> Floats:
    """Each point's distance from the middle of its neighbours: 0 for steady motion."""
    if len(points_T2) < 3:
        return np.zeros(len(points_T2))
    middles = (points_T2[:-2] + points_T2[2:]) / 2
    return np.pad(np.hypot(*(points_T2[1:-1] - middles).T), 1, mode="edge")


def _scale_to_crop(points_TP2: NDArray[np.float32], face_P2: Floats) -> float:
    """The scale from the video's pixels to the crop's."""
    stable = list(STABLE)
    centred_TS2 = points_TP2[:, stable] - points_TP2[:, stable].mean(axis=1, keepdims=True)
    size = float(np.median(np.linalg.norm(centred_TS2, axis=(1, 2))))
    target_S2 = face_P2[stable] - face_P2[stable].mean(axis=0)
    return float(np.linalg.norm(target_S2)) / max(size, 1e-6)


def _join(parts: Sequence[TrackMeasures]) -> TrackMeasures:
    """The frames of all videos, concatenated."""
    none = TrackMeasures(np.zeros(0), np.zeros(0, np.bool_), np.zeros(0), np.zeros(0))
    listed = [none, *parts]
    return TrackMeasures(
        np.concatenate([part.score_T for part in listed]),
        np.concatenate([part.seen_T for part in listed]),
        np.concatenate([part.jitter_T for part in listed]),
        np.concatenate([part.smoothed_T for part in listed]),
    )


@dataclass(frozen=True)
class PixelMeasures:
    """One row per clip (PIXEL_COLUMNS), and where its crops are stored."""

    clips: pd.DataFrame
    stored: Mapping[str, tuple[ShardRef, ClipRow]]


def measure_pixels(shards: Path) -> PixelMeasures:
    """The pixel measures of every clip, from the tables of the shards."""
    rows: list[tuple[str, str, int, float, float, float]] = []
    stored: dict[str, tuple[ShardRef, ClipRow]] = {}
    for index in sorted(shards.glob("*/[0-9]*.json")):
        ref = ShardRef.of_index(index)
        if not ref.clips:
            continue
        for row in read_table(index.with_suffix(".csv")):
            measured = (row.frames, row.mean, row.std, row.outside)
            rows.append((row.clip_id, index.parent.name, *measured))
            stored[row.clip_id] = (ref, row)
    return PixelMeasures(pd.DataFrame(rows, columns=list(PIXEL_COLUMNS)), stored)
