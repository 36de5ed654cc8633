"""The landmark models against each other on GRID, by speaker: failures, jitter, crops and time.

    python -m benchmarks.landmarks [--grid ROOT] [--videos 12]

Both models track each video before the next one, on one core. Jitter is the distance of a point
from the middle of its places in the frames before and after, in pixels of a crop of 96. The
disagreement is that of the crops, each aligned to its model's own reference face: the scale of the
mesh's relative to dlib's, and where its centre is in dlib's crop. Times are CPU time.
"""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.clips import GRID
from lipnet.crops.align import MOUTH, STABLE, load_face
from lipnet.crops.crop import CropOptions, crop_matrices
from lipnet.landmark_names import DLIB, LANDMARK_MODELS, MESH
from lipnet.landmarks.models import load_landmark_model
from lipnet.landmarks.options import LandmarkModel, LandmarkOptions
from lipnet.landmarks.store import Track
from lipnet.landmarks.track import track_landmarks
from lipnet.video.decode import VideoError, iter_frames

# T frames  N frames of all videos  P landmark points (68)
CROPS = CropOptions()
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tracked:
    """A video by one model: its track (None if it failed), the matrices to its crops, CPU seconds,
    and the number of frames that the model was given."""

    track: Track | None
    matrices_T23: Floats
    seconds: float
    frames: int

    @property
    def jitter(self) -> tuple[Floats, Floats]:
        """Of the stable points and of the mouth's centre in each frame, in the crop's pixels."""
        assert self.track is not None
        scale = np.median(np.hypot(self.matrices_T23[:, 0, 0], self.matrices_T23[:, 1, 0]))
        points_TP2 = self.track.points_TP2 * scale
        mouth_T12 = points_TP2[:, MOUTH].mean(axis=1, keepdims=True)
        return _jumps(points_TP2[:, list(STABLE)]), _jumps(mouth_T12)


def _jumps(points_TP2: NDArray[np.floating]) -> Floats:
    middles = (points_TP2[:-2] + points_TP2[2:]) / 2
    return np.asarray(np.linalg.norm(points_TP2[1:-1] - middles, axis=2).mean(axis=1), np.float64)


@dataclass
class Speaker:
    """A speaker's videos by each model."""

    by_model: dict[str, list[Tracked]] = field(
        default_factory=lambda: {name: [] for name in LANDMARK_MODELS}
    )

    def pairs(self) -> Iterator[tuple[Tracked, Tracked]]:
        """The videos that both models could track: by dlib and by the mesh."""
        for one, other in zip(self.by_model[DLIB], self.by_model[MESH], strict=True):
            if one.track is not None and other.track is not None:
                yield one, other


def track_video(video: Path, model: LandmarkModel) -> Tracked:
    """One video by one model; decoding is not timed."""
    frames = list(iter_frames(video, pixels=model.pixels))
    start = time.process_time()
    try:
        track = track_landmarks(frames, model)
    except VideoError:
        return Tracked(None, np.zeros((0, 2, 3)), time.process_time() - start, len(frames))
    seconds = time.process_time() - start
    matrices = crop_matrices(track.points_TP2, load_face(model.name), CROPS)
    return Tracked(track, matrices, seconds, len(frames))


def compare_crops(one_T23: Floats, other_T23: Floats, size: int) -> tuple[Floats, Floats]:
    """How the second crops differ from the first: their scale [T], and where their centres are
    relative to the first's [T, 2], in pixels of a crop."""
    centre = np.full(2, size / 2)
    scales, shifts = [], []
    for one_23, other_23 in zip(one_T23, other_T23, strict=True):
        place = np.linalg.solve(other_23[:, :2], centre - other_23[:, 2])
        shifts.append(one_23[:, :2] @ place + one_23[:, 2] - centre)
        scales.append(np.hypot(*other_23[:, 0]) / np.hypot(*one_23[:, 0]))
    return np.array(scales), np.array(shifts)


def measure(root: Path, count: int) -> dict[str, Speaker]:
    """Every speaker of a GRID root, in up to `count` videos each."""
    models = [load_landmark_model(LandmarkOptions(name)) for name in LANDMARK_MODELS]
    speakers: dict[str, Speaker] = {}
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and p.name != "alignments"):
        videos = sorted(folder.glob("*.mp*"))
        found = speakers.setdefault(folder.name, Speaker())
        for video in videos[:: max(1, len(videos) // count)][:count]:
            for model in models:
                found.by_model[model.name].append(track_video(video, model))
    return speakers


def format_models(speakers: Mapping[str, Speaker]) -> Iterator[str]:
    """A row per speaker and model: failures and jitter."""
    counts = "videos | failed | frames | not seen"
    jitters = "jitter of stable points, px | of the mouth's centre, px"
    yield f"| speaker | model | {counts} | {jitters} |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|"
    for name, speaker in speakers.items():
        for model, videos in speaker.by_model.items():
            tracks = [video.track for video in videos if video.track is not None]
            jitter = [video.jitter for video in videos if video.track is not None]
            means = [np.concatenate(each).mean() for each in zip(*jitter, strict=True)]
            frames = sum(video.frames for video in videos)
            unseen = sum(int((~track.seen_T).sum()) for track in tracks)
            cells = [name, model, len(videos), len(videos) - len(tracks), frames, unseen]
            shown = (*map(str, cells), *(f"{mean:.2f}" for mean in means))
            yield f"| {' | '.join(shown)} |"


def format_disagreement(speakers: Mapping[str, Speaker]) -> Iterator[str]:
    """A row per speaker: the mesh's crops relative to dlib's."""
    yield "| speaker | frames | scale | centre x, px | centre y, px | distance p50 | p95 |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for name, speaker in speakers.items():
        found = [
            compare_crops(one.matrices_T23, other.matrices_T23, CROPS.size)
            for one, other in speaker.pairs()
        ]
        if not found:
            continue
        scale_N, shift_N2 = (np.concatenate(each) for each in zip(*found, strict=True))
        distances = np.percentile(np.linalg.norm(shift_N2, axis=1), [50, 95])
        cells = [f"{scale_N.mean():.3f} +- {scale_N.std():.3f}"]
        cells += [f"{axis.mean():+.2f} +- {axis.std():.2f}" for axis in shift_N2.T]
        cells += [f"{distance:.2f}" for distance in distances]
        yield f"| {name} | {len(scale_N)} | {' | '.join(cells)} |"


def format_times(speakers: Mapping[str, Speaker]) -> str:
    """Milliseconds per frame, and the ratio of each video with its spread."""
    pairs = [pair for speaker in speakers.values() for pair in speaker.pairs()]
    ms_N2 = 1000 * np.array([[own.seconds / own.frames for own in pair] for pair in pairs])
    dlib, mesh = np.median(ms_N2, axis=0)
    ratio, low, high = np.percentile(ms_N2[:, 1] / ms_N2[:, 0], [50, 5, 95])
    return (
        f"CPU time per frame, medians of {len(pairs)} videos: {DLIB} {dlib:.2f} ms, "
        f"{MESH} {mesh:.2f} ms; ratio {ratio:.2f} ({low:.2f} to {high:.2f})"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--grid", type=Path, default=GRID, help="GRID's root")
    parser.add_argument("--videos", type=int, default=12, help="per speaker")
    chosen = parser.parse_args(arguments)
    cv2.setNumThreads(0)
    speakers = measure(chosen.grid, chosen.videos)
    parts = [*format_models(speakers), "", *format_disagreement(speakers), ""]
    print("\n".join([*parts, format_times(speakers)]))


if __name__ == "__main__":
    main()
