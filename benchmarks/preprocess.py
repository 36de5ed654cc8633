"""Landmarks and crops: frames per second per core, against the baselines of per_frame.py.

    python -m benchmarks.preprocess [--grid ROOT] [--videos 12] [--actor-videos 80]

Runs on one core, interleaved: each video is processed by (a), by (b) and by ours before the next
one. Speeds are frames per CPU time, so that other load changes them little. Ours decodes each video
twice, as the stages landmarks and shards do. Then come the pool of cluster/pool.py with two actors
against one, by the wall clock, and an extrapolation from 256 x 256 clips to LRW.
"""

import argparse
import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.per_frame import PerFrame, warp_by_opencv, warp_by_skimage
from benchmarks.stopwatch import Stopwatch
from cluster.pool import map_jobs
from lipnet.crops.align import MOUTH, load_face
from lipnet.crops.crop import CropOptions, crop_matrices, crop_mouth
from lipnet.landmark_names import DLIB
from lipnet.landmarks.detector import DlibDetector, find_predictor
from lipnet.landmarks.face import Detector, Face, Seen
from lipnet.landmarks.follow import follow_face
from lipnet.landmarks.options import LandmarkOptions
from lipnet.landmarks.predictor import Box, Marks
from lipnet.landmarks.track import track_landmarks
from lipnet.shards.codec import DEFAULT_CODEC, find_codec
from lipnet.sources.synthetic.corpus import plan_corpus, write_clip
from lipnet.sources.synthetic.options import SyntheticOptions
from lipnet.video.decode import Frame, Pixels, VideoError, iter_frames

# T frames  P landmark points (68)
GRID = Path(__file__).resolve().parents[2] / "shared" / "data" / "grid"
LRW_CLIPS, LRW_FRAMES = 538_763, 29
PARTS = ("decode", "detect", "predict", "warp")
SYNTHETIC_CLIPS = 12
Tool = Callable[[Path, Stopwatch], "NDArray[np.floating] | None"]


class Ours:
    """The pipeline: track, then decode again and cut, then pack."""

    def __init__(self) -> None:
        self._detector = DlibDetector(find_predictor())
        self._codec = find_codec(DEFAULT_CODEC)

    def __call__(self, video: Path, watch: Stopwatch) -> NDArray[np.floating] | None:
        """The points [T, P, 2], or None without any face. The time of packing is named "pack"."""
        options = CropOptions()
        try:
            detector = TimedDetector(self._detector, watch)
            track = track_landmarks(watch.each("decode", iter_frames(video)), detector)
        except VideoError:
            return None
        before = watch.seconds["decode"]
        with watch.time("warp"):
            matrices = crop_matrices(track.points_TP2, load_face(options.face), options)
            frames = watch.each("decode", iter_frames(video))
            crops_THW = crop_mouth(frames, matrices, options.size)
        watch.seconds["warp"] -= watch.seconds["decode"] - before
        with watch.time("pack"):
            self._codec.pack(crops_THW)
        return track.points_TP2


@dataclass(frozen=True)
class TimedDetector:
    """A detector that measures its time as "detect" and "predict", and follows faces as dlib's."""

    detector: Detector
    watch: Stopwatch
    name: str = DLIB
    pixels: Pixels = "grey"

    def follow(self, frames: Iterable[Frame], options: LandmarkOptions) -> Iterator[Seen | None]:
        return follow_face(frames, self, options)

    def find(self, frame_HW: Frame, *, upsample: int = 0) -> list[Face]:
        with self.watch.time("detect"):
            return self.detector.find(frame_HW, upsample=upsample)

    def find_hard(self, frame_HW: Frame) -> list[Face]:
        with self.watch.time("detect"):
            return self.detector.find_hard(frame_HW)

    def mark(self, frames: Sequence[Frame], boxes: Sequence[Box]) -> Marks:
        with self.watch.time("predict"):
            return self.detector.mark(frames, boxes)


@dataclass
class Measured:
    """The results of one tool for all videos: frames, CPU seconds by part, points."""

    frames: int = 0
    watch: Stopwatch = field(default_factory=Stopwatch)
    points: dict[Path, NDArray[np.floating] | None] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """CPU seconds without packing, which the baselines do not do."""
        return self.watch.seconds["all"] - self.watch.seconds["pack"]

    @property
    def rate(self) -> float:
        return self.frames / self.seconds

    @property
    def failed(self) -> int:
        return sum(points is None for points in self.points.values())

    def milliseconds(self) -> dict[str, float]:
        """Milliseconds per frame by part; "rest" is the time outside all parts."""
        known = {part: self.watch.seconds[part] for part in PARTS}
        known["rest"] = self.seconds - sum(known.values())
        known["pack"] = self.watch.seconds["pack"]
        return {part: 1000 * seconds / self.frames for part, seconds in known.items()}


def list_tools() -> dict[str, Tool]:
    """The baselines and ours, with their models loaded."""
    return {
        "(a)": PerFrame(1, warp_by_skimage),
        "(b)": PerFrame(0, warp_by_opencv),
        "ours": Ours(),
    }


def measure(tools: dict[str, Tool], videos: Sequence[Path]) -> dict[str, Measured]:
    """Process every video with every tool in turn, on one core."""
    results = {name: Measured() for name in tools}
    cores, threads = os.sched_getaffinity(0), cv2.getNumThreads()
    os.sched_setaffinity(0, {max(cores)})
    cv2.setNumThreads(0)
    try:
        for video in videos:
            frames = sum(1 for _ in iter_frames(video))
            for name, tool in tools.items():
                found = results[name]
                with found.watch.time("all"):
                    found.points[video] = tool(video, found.watch)
                found.frames += frames
    finally:
        os.sched_setaffinity(0, cores)
        cv2.setNumThreads(threads)
    return results


def mouth_gaps(one: Measured, other: Measured) -> NDArray[np.floating]:
    """Distances in pixels between the mouths' centres, for every frame with points in both."""
    gaps = [np.zeros(0)]
    for video, points_TP2 in one.points.items():
        others_TP2 = other.points[video]
        if points_TP2 is None or others_TP2 is None:
            continue
        apart_T2 = (points_TP2 - others_TP2)[:, MOUTH].mean(axis=1)
        gaps.append(np.linalg.norm(apart_T2, axis=1))
    return np.concatenate(gaps)


def pick_videos(root: Path, count: int) -> list[Path]:
    """`count` videos of a GRID root: of each speaker in turn, spread over the speaker's videos."""
    speakers = sorted(place for place in root.iterdir() if place.is_dir())
    lists = [sorted(place.glob("*.mp*")) for place in speakers]
    spread = [each[:: max(1, len(each) // count)] for each in lists]
    turns = [each[turn] for turn in range(count) for each in spread if turn < len(each)]
    return turns[:count]


def render_videos(folder: Path, count: int) -> list[Path]:
    """`count` rendered clips of 29 frames at 256 x 256, as in LRW."""
    options = SyntheticOptions(
        words=("ABOUT", "BARK"),
        clips_per_word={"train": (count + 1) // 2, "val": 1, "test": 1},
        speakers={"train": 4, "val": 1, "test": 1},
    )
    plans = [plan for plan in plan_corpus(options) if plan.split == "train"][:count]
    for plan in plans:
        write_clip(plan, options, folder)
    return [folder / f"{plan.stem}.mp4" for plan in plans]


@dataclass(frozen=True)
class Turn:
    """One video processed by one actor: start and end on the machine's clock, and peak RSS."""

    actor: int
    frames: int
    start: float
    end: float
    peak_mib: float


class Actor:
    """A worker of the pool that runs `Ours`."""

    def __init__(self) -> None:
        self._ours = Ours()

    def __call__(self, video: Path) -> Turn:
        start = time.perf_counter()
        points = self._ours(video, Stopwatch())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        frames = 0 if points is None else len(points)
        return Turn(os.getpid(), frames, start, time.perf_counter(), peak)


def run_actors(videos: Sequence[Path], actors: int) -> tuple[float, float]:
    """Frames per second of all actors together, without start-up, and the largest peak RSS.

    One actor runs in this process, so its peak RSS includes what other measurements have loaded.
    """
    turns: list[Turn] = map_jobs(Actor, videos, actors=actors)
    rates = []
    for actor in {turn.actor for turn in turns}:
        own = [turn for turn in turns if turn.actor == actor]
        busy = max(turn.end for turn in own) - min(turn.start for turn in own)
        rates.append(sum(turn.frames for turn in own) / busy)
    return sum(rates), max(turn.peak_mib for turn in turns)


def format_speeds(results: dict[str, Measured]) -> Iterator[str]:
    """A table of the tools' speeds, as lines of markdown."""
    yield "| | frames/s per core | x (a) | x (b) | failed | mouth from (b): median px | p99 px |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for name, found in results.items():
        ratios = [found.rate / results[base].rate for base in ("(a)", "(b)")]
        gaps = mouth_gaps(found, results["(b)"])
        cells = [f"{found.rate:.0f}", *(f"{ratio:.1f}" for ratio in ratios)]
        cells += [f"{found.failed} of {len(found.points)}"]
        cells += [f"{value:.2f}" for value in np.percentile(gaps, [50, 99])] if len(gaps) else []
        yield f"| {name} | {' | '.join(cells)} |"


def format_parts(results: dict[str, Measured]) -> Iterator[str]:
    """A table of the time per frame by part, as lines of markdown."""
    columns = [*PARTS, "rest", "pack"]
    yield f"| ms per frame | {' | '.join(columns)} |"
    yield "|---|" + "---:|" * len(columns)
    for name, found in results.items():
        parts = found.milliseconds()
        yield f"| {name} | {' | '.join(f'{parts[column]:.3f}' for column in columns)} |"


def format_lrw(found: Measured) -> str:
    """The extrapolation to all of LRW."""
    seconds = found.watch.seconds["all"] / found.frames
    hours = LRW_CLIPS * LRW_FRAMES * seconds / 3600
    return (
        f"LRW: {found.frames} frames of synthetic clips (256 x 256, {LRW_FRAMES} frames) took "
        f"{1000 * seconds:.2f} ms of CPU per frame, packing included ({1 / seconds:.0f} frames/s "
        f"per core); {LRW_CLIPS:,} clips x {LRW_FRAMES} frames at that rate: {hours:.1f} core-hours"
    )


def format_actors(videos: Sequence[Path]) -> Iterator[str]:
    """Two actors against one, which is measured before and after, so that drift is visible."""
    measured = [(actors, *run_actors(videos, actors)) for actors in (1, 2, 1)]
    one = (measured[0][1] + measured[2][1]) / 2
    _, two, peak_mib = measured[1]
    yield f"one actor: {measured[0][1]:.0f} and {measured[2][1]:.0f} frames/s by the wall clock"
    yield f"two actors: {two:.0f} frames/s, {two / one:.2f} x one; peak RSS {peak_mib:.0f} MiB each"
    yield f"({len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} at the end)"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--grid", type=Path, default=GRID, help="GRID's root; if it is missing, videos are rendered"
    )
    parser.add_argument("--videos", type=int, default=12)
    parser.add_argument("--actor-videos", type=int, default=80, help="0 to skip this part")
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        rendered = render_videos(Path(folder), SYNTHETIC_CLIPS)
        is_real = args.grid.is_dir()
        videos = pick_videos(args.grid, args.videos) if is_real else rendered
        tools = list_tools()
        measure(tools, videos[:1])  # caches filled, pages touched
        results = measure(tools, videos)
        frames = next(iter(results.values())).frames
        origin = f"from {args.grid}" if is_real else "rendered"
        print(f"{len(videos)} videos, {frames} frames, {origin}")
        print("\n".join([*format_speeds(results), "", *format_parts(results), ""]))
        print(format_lrw(measure({"ours": tools["ours"]}, rendered)["ours"]))
        if args.actor_videos:
            repeated = [videos[place % len(videos)] for place in range(args.actor_videos)]
            print("\n".join(format_actors(repeated)))


if __name__ == "__main__":
    main()
