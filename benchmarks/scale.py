"""Preprocessing and planning at LRW's size: CPU time and memory of what grows with the clips.

    python -m benchmarks.scale [--clips 488763/25000/25000] [--labels 500] [--steps TEXT ...]

The corpus has LRW's names and counts, and one small video under all of them (hard links). Nothing
is decoded: in the place of the tracker and of the cutter, which are the same work for every clip,
are functions that write files of the real layout, with made-up landmarks and without crops. The
rest is the stages' own code; what follows the shards is in benchmarks/scale_study.py. Each step
runs in a process of its own, on a tenth of the corpus and on the whole: a ratio of about ten is
linear. CPU times are of the process with all its threads, and of the programs that it starts; the
memory is the peak of the largest of them.
"""

import argparse
import hashlib
import itertools
import os
import resource
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks import scale_study
from benchmarks.compare import describe_machine
from lipnet.clip import CLIP_FRAMES
from lipnet.crops.crop import CropOptions
from lipnet.cutting.plan import CutJob
from lipnet.data.clip_set import ClipSet
from lipnet.data.loader import open_split
from lipnet.data.shrink import Shrink
from lipnet.data.stream import Stream
from lipnet.files import digest_of
from lipnet.landmarks.index import TrackedVideo, TrackIndex
from lipnet.landmarks.index import write_index as write_track_index
from lipnet.landmarks.options import LandmarkOptions
from lipnet.landmarks.store import Track, write_tracks
from lipnet.landmarks.tracker import TrackJob
from lipnet.recipe import Recipe
from lipnet.shards.index import ShardContents, ShardIndex, write_index
from lipnet.shards.table import ClipRow, write_table
from lipnet.sources.manifest import read_clips
from pipeline.paths import Paths
from stages import landmarks, shards
from stages.manifest import make_manifest
from stages.raw import list_corpus
from stages.train import list_clips

SPLITS = ("train", "val", "test")
LRW = "488763/25000/25000"
LINKS = 60_000  # of one file: a file system allows 65,000
PIXELS = 96 * 96 * CLIP_FRAMES
MEASURED = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
HEADINGS = f"{'s, a tenth':>11}{'s, all':>8}{'ratio':>7}{'GiB, a tenth':>14}{'GiB, all':>10}"
OnResult = Callable[[object], None]


@dataclass(frozen=True)
class Place:
    """A made corpus, and the working folder of its stages."""

    corpus: Path
    work: Path

    @property
    def paths(self) -> Paths:
        return Paths(scale_study.PROFILE)


@dataclass(frozen=True)
class Taken:
    """CPU seconds and the peak of memory of a step, in GiB."""

    seconds: float
    gib: float


def make_corpus(root: Path, counts: Sequence[int], labels: int) -> None:
    """Videos and texts in LRW's layout: hard links to files of one name each."""
    root.mkdir(parents=True)
    sources = _links(root)
    words = [f"WORD{number:03d}" for number in range(labels)]
    for split, count in zip(SPLITS, counts, strict=True):
        for word, number in zip(itertools.cycle(words), range(count), strict=False):
            folder = root / word / split
            if number < labels:
                folder.mkdir(parents=True)
            stem = folder / f"{word}_{number // labels + 1:05d}"
            video, text = next(sources)
            os.link(video, f"{stem}.mp4")
            os.link(text, f"{stem}.txt")


def _links(root: Path) -> Iterator[tuple[Path, Path]]:
    """A video and a text to link to, over and over."""
    for number in itertools.count():
        video, text = (root.parent / f"{number}.{kind}" for kind in ("mp4", "txt"))
        video.write_bytes(b"not decoded here")
        text.write_text("Duration: 0.53 seconds\n", encoding="utf-8")
        yield from itertools.repeat((video, text), LINKS)


@contextmanager
def without_workers(
    stage: ModuleType, folder: Path, write: Callable[[Path, Any], object]
) -> Iterator[None]:
    """In a stage, `write` makes each job's files in `folder` in the place of the workers."""

    def map_jobs(
        make_worker: object, jobs: Sequence[object], *, on_result: OnResult, **_: object
    ) -> list[object]:
        results = []
        for job in jobs:
            results.append(write(folder, job))
            on_result(results[-1])
        return results

    folder.mkdir(parents=True)
    with patch.object(stage, "map_jobs", map_jobs):
        yield


def write_made_up_tracks(folder: Path, job: TrackJob) -> TrackIndex:
    """A track file and its index, of a face that does not move."""
    face_P2 = np.stack([np.linspace(60, 180, 68), np.tile([80, 120, 160, 150], 17)], 1)
    still = Track(
        np.tile(face_P2.astype(np.float32), (CLIP_FRAMES, 1, 1)),
        np.ones(CLIP_FRAMES, np.bool_),
        np.ones(CLIP_FRAMES, np.float32),
    )
    write_tracks(folder / f"{job.name}.npz", dict.fromkeys(job.videos, still))
    index = TrackIndex(
        name=job.name,
        fingerprint=digest_of(job.videos),
        tracked=tuple(
            TrackedVideo(video, CLIP_FRAMES, hashlib.sha256(video.encode()).hexdigest()[:16])
            for video in job.videos
        ),
        seen_frames=CLIP_FRAMES * len(job.videos),
    )
    write_track_index(folder / f"{job.name}.json", index)
    return index


def write_made_up_shard(folder: Path, job: CutJob) -> tuple[ShardIndex, float]:
    """The index and the table of a shard that is not there."""
    clips = [clip for video in job.videos for clip in video.clips]
    size = PIXELS // 2
    rows = [
        ClipRow(clip.clip_id, number * size, size, CLIP_FRAMES, 0.4, 0.2, 0.0)
        for number, clip in enumerate(clips)
    ]
    labels: dict[str, int] = {}
    for clip in clips:
        labels[clip.label] = labels.get(clip.label, 0) + 1
    contents = ShardContents(
        clips=len(clips),
        frames=CLIP_FRAMES * len(clips),
        longest=CLIP_FRAMES,
        pixels=PIXELS * len(clips),
        pixel_sum=100 * PIXELS * len(clips),
        pixel_square_sum=12_000 * PIXELS * len(clips),
        bytes=size * len(clips),
        sha256=hashlib.sha256(job.name.encode()).hexdigest(),
        labels=labels,
    )
    index = ShardIndex(job.name, contents, digest_of(job.name))
    path = folder / f"{job.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_index(path, index)
    write_table(path.with_suffix(".csv"), rows)
    path.with_suffix(".tar").touch()
    return index, 0.0


def list_files(place: Place) -> None:
    """The stage raw: the inventory of the corpus."""
    list_corpus(place.corpus, place.paths)


def discover(place: Place) -> None:
    """The stage manifest."""
    make_manifest("lrw", place.corpus, {}, folder=place.paths.manifest)


def read_manifest(place: Place) -> None:
    """What every later stage reads first."""
    read_clips(place.paths.manifest)


def plan_landmarks(place: Place) -> None:
    """The stage landmarks without tracking."""
    paths = place.paths
    folders = landmarks.LandmarkFolders(place.corpus, paths.tmp / "landmarks", paths.landmarks)
    with without_workers(landmarks, folders.state, write_made_up_tracks):
        videos = [clip.video for clip in read_clips(paths.manifest)]
        landmarks.make_landmarks(videos, folders, LandmarkOptions())


def plan_shards(place: Place) -> None:
    """The stage shards without cutting."""
    paths = place.paths
    folders = shards.ShardFolders(
        place.corpus, paths.manifest, paths.landmarks, paths.tmp / "shards", paths.shards
    )
    with without_workers(shards, folders.state, write_made_up_shard):
        shards.make_shards(folders, CropOptions())


def open_training(place: Place) -> None:
    """What a training does before its first batch: the set of its clips, the shards, a plan."""
    ClipSet.of("lrw", list_clips(place.paths.shards))
    next(make_stream(place).plan_steps(0))


def plan_epoch(place: Place) -> None:
    """What is planned before an epoch's first step: its order and the clips of each batch."""
    list(make_stream(place).plan_steps(0))


def make_stream(place: Place) -> Stream:
    """The batches of the training split, read from its shards."""
    recipe = Recipe()
    store = open_split(
        place.paths.shards, "train", shrink=Shrink.for_recipe(recipe), memory_gib=0.0
    )
    return Stream(store, recipe)


# The steps of a run, in order; the next ones need those of MAKING.
STEPS: dict[str, Callable[[Place], None]] = {
    "raw: inventory": list_files,
    "manifest": discover,
    "manifest, read again": read_manifest,
    "landmarks: plan, index": plan_landmarks,
    "shards: plan, index": plan_shards,
    "training: start": open_training,
    "training: plan of an epoch": plan_epoch,
    "dvc commit": lambda place: scale_study.commit(place.paths),
    "dvc status": lambda place: scale_study.ask_status(place.paths),
    "preflight": lambda place: scale_study.check_plan(place.paths),
    "flow: graph and walk": lambda place: scale_study.walk_flow(place.paths),
    "models, made up": lambda place: scale_study.make_models(place.paths),
    "select and report": lambda place: scale_study.report(place.paths),
    "quality": lambda place: scale_study.write_quality_page(place.paths),
}
MAKING = ("raw: inventory", "manifest", "landmarks: plan, index", "shards: plan, index")
NEEDS = {"dvc status": ("dvc commit",), "select and report": ("models, made up",)}


def choose_steps(wanted: Sequence[str]) -> list[str]:
    """The steps with one of the texts in their name, and those that they need."""
    named = {step for step in STEPS if any(text in step for text in wanted)}
    needed = set(MAKING).union(*(NEEDS.get(step, ()) for step in named))
    return [step for step in STEPS if step in named | needed]


def run_step(step: str, place: Place) -> Taken:
    """The step in a new process, in the place's working folder."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure, step, place).result()


def _measure(step: str, place: Place) -> Taken:
    os.chdir(place.work)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    before = _spent()
    STEPS[step](place)
    seconds = _spent() - before
    peaks = [resource.getrusage(who).ru_maxrss for who in MEASURED]
    return Taken(seconds, max(peaks) / 2**20)


def _spent() -> float:
    """CPU seconds of this process and of those that it waited for."""
    used = [resource.getrusage(who) for who in MEASURED]
    return sum(own.ru_utime + own.ru_stime for own in used)


def make_place(folder: Path, counts: Sequence[int], labels: int) -> Place:
    """A corpus of these counts, and a working folder with the code."""
    make_corpus(folder / "corpus", counts, labels)
    scale_study.clone(folder / "work", folder / "corpus")
    return Place(folder / "corpus", folder / "work")


def main() -> None:
    """Print a line per step."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--clips", default=LRW, metavar="TRAIN/VAL/TEST")
    parser.add_argument("--labels", type=int, default=500)
    parser.add_argument("--steps", nargs="*", default=[""], metavar="TEXT", help="parts of names")
    parser.add_argument("--folder", type=Path, help="where to make the corpora: 12 GB")
    asked = parser.parse_args()
    if asked.folder is not None:
        asked.folder.mkdir(parents=True, exist_ok=True)
    whole = [int(count) for count in asked.clips.split("/")]
    tenth = [max(asked.labels, count // 10) for count in whole]
    print(describe_machine(torch.get_num_threads()))
    print(f"{sum(tenth):,} and {sum(whole):,} clips of {asked.labels} labels")
    print(f"{'step':<28}{HEADINGS}")
    with TemporaryDirectory(dir=asked.folder) as folder:
        small, large = (
            make_place(Path(folder) / name, counts, asked.labels)
            for name, counts in (("tenth", tenth), ("whole", whole))
        )
        for step in choose_steps(asked.steps):
            part, full = run_step(step, small), run_step(step, large)
            print(
                f"{step:<28}{part.seconds:>11.1f}{full.seconds:>8.1f}"
                f"{full.seconds / part.seconds:>7.1f}{part.gib:>14.2f}{full.gib:>10.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
