"""Estimates of the disk space and time that a reproduction needs, as pure arithmetic."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lipnet.landmark_names import DLIB, MESH
from lipnet.spec import find_backbone

# A clip is 29 x 96 x 96 bytes, plus tar headers and the clip's JSON.
RENDERED_BYTES_PER_CLIP = 150_000
LANDMARK_BYTES_PER_FRAME = 600
SHARD_BYTES_PER_CLIP = 29 * 96 * 96 + 3_000
# Upper bounds, measured by benchmarks/codec.py on GRID and noisier rendered clips; jpeg up to 98.
BYTES_PER_PIXEL = {"raw": 1.0, "delta": 0.55, "png": 0.6, "jpeg": 0.5}
BYTES_PER_PARAMETER = 4
BYTES_PER_LOGIT = 4
# Per core, for 360 x 288 video; half of what benchmarks/preprocess.py measures, to leave room for
# moving heads and slow disks.
LANDMARK_FRAMES_PER_SECOND = {DLIB: 450, MESH: 190}
RENDERED_FRAMES_PER_SECOND = 60
SHARD_FRAMES_PER_SECOND = 1000
# The backward pass costs twice the forward pass.
FORWARD_AND_BACKWARD = 3
EVALUATED_BATCH = 32
# Kept besides the outputs, without a copy by DVC: untracked, and made again if they are deleted.
RECORDED = "teachers' logits"
DECODED = "decoded clips"
STORED = "shards at shards.url"  # if that is a folder


@dataclass(frozen=True)
class Corpus:
    """The size of a corpus.

    `rendered`: the pipeline makes the videos. `ready`: clips are folders of cropped mouth images.
    `landmarks`: the landmark model.
    """

    videos: int
    frames_per_video: int
    clips: Mapping[str, int]
    labels: int
    rendered: bool
    ready: bool = False
    frames_per_clip: int = 29
    crop_size: int = 96
    bytes_per_pixel: float = 1.0
    landmarks: str = DLIB

    @property
    def frames(self) -> int:
        """Frames to read: those of all videos, or of the clips if the clips are images."""
        if self.ready:
            return self.all_clips * self.frames_per_clip
        return self.videos * self.frames_per_video

    @property
    def pixel_share(self) -> float:
        """The pixels of a stored clip, relative to LRW's 29 x 96 x 96."""
        return self.frames_per_clip * self.crop_size**2 / (29 * 96**2)

    @property
    def all_clips(self) -> int:
        """The number of clips in all splits."""
        return sum(self.clips.values())


@dataclass(frozen=True)
class LineageWork:
    """One lineage to train; gmacs is the weighted cost of one clip's forward pass in training.

    teacher_gmacs is the cost of the other lineage's model that teaches the first generation, 0 if
    there is none. Every later generation is taught by the one before it. `step_operations` and
    `forward_operations` are those of a batch, and matter on a GPU only; `done` are generations
    that are finished already.
    """

    lineage: str
    gmacs: float
    parameters: int
    generations: int
    epochs: int
    teacher_gmacs: float = 0.0
    teacher: str = ""
    batch: int = 32
    step_operations: int = 0
    forward_operations: int = 0
    teacher_operations: int = 0
    done: int = 0


@dataclass(frozen=True)
class Machine:
    """The machine's resources; gmacs_per_second is the forward speed of a plain convolution.

    On a GPU a step also takes the host's time per operation, and waits for its clips.
    """

    cores: int
    gmacs_per_second: float
    device: str = "cpu"
    seconds_per_operation: float = 0.0
    clips_per_second: float = math.inf


@dataclass(frozen=True)
class Estimate:
    """The disk space and time that one step needs."""

    step: str
    disk_bytes: int
    seconds: float


def estimate(
    corpus: Corpus,
    lineages: Iterable[LineageWork],
    machine: Machine,
    *,
    kept: Mapping[str, int] | None = None,
) -> list[Estimate]:
    """The estimate of each step, in order, if nothing has been made yet.

    Disk space counts each output once, without DVC's copy. Generations that stop early cost less.
    `kept` has the size in bytes of what is kept besides the outputs: RECORDED, DECODED, STORED.
    """
    lineages = list(lineages)
    models = sum(work.generations for work in lineages)
    evaluated = corpus.all_clips - corpus.clips.get("train", 0)
    weights = sum(w.parameters * w.generations for w in lineages) * BYTES_PER_PARAMETER
    logits = models * evaluated * corpus.labels * BYTES_PER_LOGIT
    rate = machine.gmacs_per_second
    rendered = corpus.all_clips if corpus.rendered else 0
    drawn = corpus.frames if corpus.rendered else 0
    frames = corpus.frames / machine.cores
    tracked = 0 if corpus.ready else corpus.frames
    return [
        Estimate(
            "raw",
            rendered * RENDERED_BYTES_PER_CLIP,
            drawn / machine.cores / RENDERED_FRAMES_PER_SECOND,
        ),
        Estimate(
            "landmarks",
            tracked * LANDMARK_BYTES_PER_FRAME,
            tracked / machine.cores / LANDMARK_FRAMES_PER_SECOND[corpus.landmarks],
        ),
        Estimate(
            "shards",
            weigh_shards(corpus),
            frames / SHARD_FRAMES_PER_SECOND,
        ),
        Estimate("models", weights, sum(time_lineage(w, corpus, machine) for w in lineages)),
        Estimate(
            "logits", logits, sum(w.gmacs * w.generations for w in lineages) * evaluated / rate
        ),
        *(Estimate(step, size, 0.0) for step, size in (kept or {}).items() if size),
    ]


def weigh_shards(corpus: Corpus) -> int:
    """Bytes of the corpus's shards."""
    size = SHARD_BYTES_PER_CLIP * corpus.pixel_share * corpus.bytes_per_pixel
    return round(corpus.all_clips * size)


def weigh_gmacs(gmacs: float, backbone: str) -> float:
    """The multiply-adds (1e9) of a plain convolution that takes as long as a model of `gmacs`."""
    return gmacs / find_backbone(backbone).training_speed


def time_lineage(work: LineageWork, corpus: Corpus, machine: Machine) -> float:
    """Seconds to train a lineage: students, their teachers, and validation."""
    return sum(
        time_generation(work, corpus, machine, first=number == 0)
        for number in range(work.generations)
    )


def time_left(work: LineageWork, corpus: Corpus, machine: Machine) -> float:
    """Seconds for the generations of a lineage that are not finished."""
    return sum(
        time_generation(work, corpus, machine, first=number == 0)
        for number in range(work.done, work.generations)
    )


def time_generation(work: LineageWork, corpus: Corpus, machine: Machine, *, first: bool) -> float:
    """Seconds to train one generation: the slowest of device, host and loader decides.

    The first is taught by the other lineage, if any; later ones by the one before.
    """
    teacher = work.teacher_gmacs if first else work.gmacs
    operations = work.teacher_operations if first else work.forward_operations
    trained = time_clip(
        machine,
        FORWARD_AND_BACKWARD * work.gmacs + teacher,
        (work.step_operations + operations) / work.batch,
    )
    validated = time_clip(machine, work.gmacs, work.forward_operations / EVALUATED_BATCH)
    train, val = (corpus.clips.get(split, 0) for split in ("train", "val"))
    return work.epochs * (trained * train + validated * val)


def time_clip(machine: Machine, gmacs: float, operations: float) -> float:
    """Seconds per clip: the slowest of device, host and loader decides."""
    return max(
        gmacs / machine.gmacs_per_second,
        operations * machine.seconds_per_operation,
        1 / machine.clips_per_second,
    )


def format_bytes(count: float) -> str:
    """A size to print, in powers of ten."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"


def format_seconds(seconds: float) -> str:
    """A duration to print."""
    for unit, length in (("days", 86_400.0), ("hours", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
