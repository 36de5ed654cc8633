"""What a reproduction will cost in disk and time, from plain numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lipnet.spec import BACKBONES

# A crop is 29 x 96 x 96 bytes; a tar header or two and the clip's JSON come on top.
RENDERED_BYTES_PER_CLIP = 150_000
LANDMARK_BYTES_PER_FRAME = 600
SHARD_BYTES_PER_CLIP = 29 * 96 * 96 + 3_000
# At most, measured by benchmarks/codec.py on GRID and on noisier rendered clips; jpeg: up to 98.
BYTES_PER_PIXEL = {"raw": 1.0, "delta": 0.55, "png": 0.6, "jpeg": 0.5}
BYTES_PER_PARAMETER = 4
BYTES_PER_LOGIT = 4
# One core, 360 x 288 video, half of what benchmarks/preprocess.py measures: heads move, disks wait.
LANDMARK_FRAMES_PER_SECOND = 450
RENDERED_FRAMES_PER_SECOND = 60
SHARD_FRAMES_PER_SECOND = 1000
# Backward costs twice the forward pass.
FORWARD_AND_BACKWARD = 3
RECORDED = "teachers' logits"


@dataclass(frozen=True)
class Corpus:
    """How much there is to prepare and to learn from; `rendered` where the pipeline draws it,
    `ready` where it comes as folders of images with the mouth cut out."""

    videos: int
    frames_per_video: int
    clips: Mapping[str, int]
    labels: int
    rendered: bool
    ready: bool = False
    frames_per_clip: int = 29
    crop_size: int = 96
    bytes_per_pixel: float = 1.0

    @property
    def frames(self) -> int:
        """Frames to read: of all videos, or of the clips alone where they are images."""
        if self.ready:
            return self.all_clips * self.frames_per_clip
        return self.videos * self.frames_per_video

    @property
    def pixel_share(self) -> float:
        """The pixels of a stored clip, where LRW's 29 x 96 x 96 are 1."""
        return self.frames_per_clip * self.crop_size**2 / (29 * 96**2)

    @property
    def all_clips(self) -> int:
        """Clips of all splits."""
        return sum(self.clips.values())


@dataclass(frozen=True)
class LineageWork:
    """One lineage to train; gmacs are one clip's forward pass at the size trained on, weighted.

    teacher_gmacs is the other lineage's model that teaches the first generation, 0 for none;
    every later generation is taught by the one before it.
    """

    lineage: str
    gmacs: float
    parameters: int
    generations: int
    epochs: int
    teacher_gmacs: float = 0.0


@dataclass(frozen=True)
class Machine:
    """What there is to work with; gmacs_per_second is a plain convolution's forward speed."""

    cores: int
    gmacs_per_second: float
    device: str = "cpu"


@dataclass(frozen=True)
class Estimate:
    """One step's need."""

    step: str
    disk_bytes: int
    seconds: float


def estimate(
    corpus: Corpus, lineages: Iterable[LineageWork], machine: Machine, *, recorded: int = 0
) -> list[Estimate]:
    """The need of each step, in order, as if nothing of it were there yet.

    Disk counts each output once, without DVC's copy; generations that stop early cost less.
    `recorded` bytes of teachers' logits are kept beside the outputs.
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
    kept = [Estimate(RECORDED, recorded, 0.0)] if recorded else []
    return [
        Estimate(
            "raw",
            rendered * RENDERED_BYTES_PER_CLIP,
            drawn / machine.cores / RENDERED_FRAMES_PER_SECOND,
        ),
        Estimate(
            "landmarks",
            tracked * LANDMARK_BYTES_PER_FRAME,
            tracked / machine.cores / LANDMARK_FRAMES_PER_SECOND,
        ),
        Estimate(
            "shards",
            round(
                corpus.all_clips
                * SHARD_BYTES_PER_CLIP
                * corpus.pixel_share
                * corpus.bytes_per_pixel
            ),
            frames / SHARD_FRAMES_PER_SECOND,
        ),
        Estimate("models", weights, sum(count_gmacs(w, corpus) for w in lineages) / rate),
        Estimate(
            "logits", logits, sum(w.gmacs * w.generations for w in lineages) * evaluated / rate
        ),
        *kept,
    ]


def weigh_gmacs(gmacs: float, backbone: str) -> float:
    """The multiply-adds (1e9) of a plain convolution that takes as long as the model."""
    return gmacs / BACKBONES[backbone].training_speed


def count_gmacs(work: LineageWork, corpus: Corpus) -> float:
    """Multiply-adds (1e9) of training a lineage: students, their teachers, and validation."""
    later = max(0, work.generations - 1)
    first = min(1, work.generations)
    own = FORWARD_AND_BACKWARD * work.gmacs * work.generations
    taught = work.teacher_gmacs * first + work.gmacs * later
    validated = work.gmacs * work.generations * corpus.clips.get("val", 0)
    return work.epochs * ((own + taught) * corpus.clips.get("train", 0) + validated)


def format_bytes(count: float) -> str:
    """A size for people, in powers of ten."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"


def format_seconds(seconds: float) -> str:
    """A time for people."""
    for unit, length in (("days", 86_400.0), ("hours", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
