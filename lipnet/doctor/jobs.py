"""Jobs: short trainings that together run every part of the code for a GPU.

The tests run them on a simulated device, `lipnet doctor` on a real one. Between the first and the
last step of an epoch, the host must never wait for the device.
"""
# T frames  H W pixels

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from lipnet.data.batch import collate
from lipnet.data.loader import ClipFacts, MemoryStore
from lipnet.distill.recording import Recording
from lipnet.distill.teacher import FrozenTeacher, NoTeacher, RecordedTeacher, Teacher
from lipnet.models.build import build_model
from lipnet.recipe import Recipe
from lipnet.shards.meta import ClipMeta
from lipnet.spec import ModelSpec
from lipnet.train.engine import Engine
from lipnet.train.listener import Silent
from lipnet.train.loop import Training, fit

SPEC = "resnet18_0.125x + tcn_0.125x"
LABELS = 3
CLIPS, VAL_CLIPS = 12, 4
SIZE = 18  # pixels of the stored clips
RECIPE = {"batch": 4, "epochs": 1, "input_size": 16, "mixup": 0.4, "seed": 5}
Watch = Callable[[bool], None]  # called with True before steps in which the host must not wait


@dataclass(frozen=True)
class Job:
    """A training on made clips: its spec, the recipe's changes, its teachers, where clips are."""

    name: str
    spec: str = SPEC
    changes: Mapping[str, object] = field(default_factory=dict)
    teachers: int = 0
    recorded: bool = False
    held: bool = False


JOBS = (
    Job("streamed"),
    Job("held on the device", held=True),
    Job("micro-batches", changes={"micro_batch": 2}),
    Job("running average of the weights", changes={"ema": 0.5}),
    Job("sgd", changes={"optimiser": "sgd", "lr": 0.01}),
    Job("teacher", teachers=1),
    Job(
        "recorded teacher, dkd",
        teachers=1,
        recorded=True,
        changes={"distillation": "dkd", "standardise": True},
    ),
    Job("ensemble, dist", teachers=2, changes={"temperature": 4.0, "distillation": "dist"}),
    Job("separable branches, PReLU", "shufflenetv2_0.5x + dsmstcn_0.75x + prelu"),
    Job("word boundary", "resnet18_0.125x + tcn_0.125x + boundary"),
    Job("dctcn", "resnet18_0.125x + dctcn"),
    Job("densenet3d", "densenet3d + gru_8"),
    Job("bgru", "resnet18_0.125x + bgru_8", held=True),
    Job(
        "motion, masks, resized crops",
        "resnet18_0.125x + tcn_0.125x + motion",
        changes={
            **{"cutout": 0.375, "time_mask": 3, "crop_area": 0.6, "brightness": 0.4},
            **{"jitter": 1.0, "jitter_scale": 0.04},
        },
    ),
    Job("clip network", "vggm_mt_0.0625x"),
    Job("slow fusion", "alexnet_slow_0.0625x"),
)


@dataclass
class BetweenSteps(Silent):
    """A listener that watches all steps of an epoch but the first and the last."""

    watch: Watch
    batch: int
    on_step: Callable[[], None] = lambda: None

    def on_batch(self, done: int, total: int) -> None:
        self.on_step()
        self.watch(done + self.batch < total)


def run_job(
    job: Job,
    device: torch.device,
    folder: Path,
    watch: Watch = lambda on: None,
    on_step: Callable[[], None] = lambda: None,
) -> dict[str, torch.Tensor]:
    """The weights after the job's training, on the CPU; its checkpoint is `folder`/checkpoint."""
    training = open_job(job, device, folder)
    listener = BetweenSteps(watch, training.recipe.batch, on_step)
    try:
        fit(training, checkpoint=folder / "checkpoint", facts={"job": job.name}, listener=listener)
    finally:
        watch(False)
    return {name: tensor.cpu() for name, tensor in training.model.state_dict().items()}


def open_job(job: Job, device: torch.device, folder: Path) -> Training:
    """The job's training; a recording is in `folder`."""
    recipe = Recipe(**{**RECIPE, "variable_length": True, **job.changes})  # type: ignore[arg-type]
    train, val = make_store(CLIPS), make_store(VAL_CLIPS, seed=1)
    return Training(
        make_model(job.spec, seed=0),
        train.to(device) if job.held else train,
        val.to(device) if job.held else val,
        recipe,
        _open_teacher(job, recipe, device, folder),
        LABELS,
        Engine(device),
    )


def _open_teacher(job: Job, recipe: Recipe, device: torch.device, folder: Path) -> Teacher:
    if not job.teachers:
        return NoTeacher()
    models = [make_model(SPEC, seed=1 + number).to(device) for number in range(job.teachers)]
    if not job.recorded:
        return FrozenTeacher(models, recipe)
    recorded = folder / "recorded"
    recorded.mkdir(parents=True, exist_ok=True)
    recording = Recording(recorded, clips=CLIPS, classes=LABELS, writer=job.name)
    return RecordedTeacher(models, recipe, recording)


def make_model(spec: str, *, seed: int) -> torch.nn.Module:
    """A model of the spec, initialised from the seed."""
    torch.manual_seed(seed)
    return build_model(ModelSpec.parse(spec), LABELS)


def make_store(clips: int, *, seed: int = 0) -> MemoryStore:
    """Clips of 4 to 6 frames of noise, with words inside them."""
    random = np.random.default_rng(seed)
    samples = []
    for number in range(clips):
        frames = int(random.integers(4, 7))
        crops_THW = random.integers(0, 256, (frames, SIZE, SIZE)).astype(np.uint8)
        samples.append((crops_THW, ClipMeta(f"clip-{number}", "", number % LABELS, 1, 3)))
    names = [f"clip-{number}" for number in range(clips)]
    empty, labels = [""] * clips, [number % LABELS for number in range(clips)]
    return MemoryStore(collate(samples), ClipFacts(names, names, empty, empty, labels))
