"""The speed of training on a device, and how long the paper's trainings would take on it."""
# T frames  H W pixels

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from lipnet.data.batch import collate
from lipnet.data.loader import ClipFacts, MemoryStore
from lipnet.data.stream import Stream
from lipnet.distill.teacher import NoTeacher
from lipnet.doctor.rates import TrainingRate
from lipnet.models.build import build_model
from lipnet.recipe import Recipe
from lipnet.shards.meta import ClipMeta
from lipnet.spec import ModelSpec
from lipnet.train.engine import Engine
from lipnet.train.optim import build_optimiser
from lipnet.train.step import Stepper

LRW_CLIPS, LRW_EPOCHS, LRW_FRAMES, LRW_LABELS = 488_763, 80, 29, 500  # the training split
SQUARE = {"cuda": 8192, "cpu": 1024}  # rows of the matrices that are multiplied
PRODUCTS = 10
WARM_UP = 3  # steps that are not timed


@dataclass(frozen=True)
class Workload:
    """A training to time: its spec, and the clips and pixels of a batch."""

    spec: str
    batch: int = 32
    steps: int = 30
    crop_size: int = 96
    input_size: int = 88


SPECS = ("resnet18 + mstcn_3x", "shufflenetv2_1x + dsmstcn_3x", "shufflenetv2_0.5x + tcn_1x")
WORKLOADS = {
    "cuda": tuple(Workload(spec) for spec in SPECS),
    "cpu": (Workload(SPECS[-1], batch=4, steps=2),),
}


@dataclass(frozen=True)
class Speed:
    """What was measured: the share of time that the loop waits for clips, and peak memory."""

    workload: Workload
    clips_per_second: float
    wait_share: float
    peak_bytes: int

    @property
    def lrw_hours(self) -> float:
        """Hours for 80 epochs of LRW, if clips arrive as fast as here and without validation; fewer
        if its training clips are cut, as in the paper."""
        return LRW_CLIPS * LRW_EPOCHS / self.clips_per_second / 3600

    @property
    def rate(self) -> TrainingRate:
        """The clips per second, for programs that read the report."""
        own = self.workload
        return TrainingRate(
            own.spec, own.batch, own.input_size, LRW_FRAMES, LRW_LABELS, self.clips_per_second
        )

    @property
    def line(self) -> str:
        """The figures as one line of a report."""
        memory = f", {self.peak_bytes / 2**30:.1f} GiB" if self.peak_bytes else ""
        return (
            f"{self.workload.spec:<36}{self.clips_per_second:.0f} clips/s, {self.wait_share:.0%} "
            f"waiting for clips{memory}; 80 epochs of LRW: {self.lrw_hours:.1f} h"
        )


def measure_products(device: torch.device, *, clock: Callable[[], float]) -> float:
    """Multiply-adds per second of large matrix products: bfloat16 on CUDA, else float32."""
    rows = SQUARE[device.type]
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    square = torch.randn(rows, rows, device=device).to(kind)
    square @ square
    _synchronise(device)
    started = clock()
    for _ in range(PRODUCTS):
        square @ square
    _synchronise(device)
    return PRODUCTS * float(rows) ** 3 / max(clock() - started, 1e-9)


def measure_training(
    workload: Workload, device: torch.device, *, clock: Callable[[], float]
) -> Speed:
    """The speed of the workload's steps, on clips in the host's memory."""
    # Whole clips: the rate is stored with their length.
    recipe = Recipe(batch=workload.batch, input_size=workload.input_size, variable_length=False)
    store = _make_store((WARM_UP + workload.steps) * workload.batch, workload.crop_size)
    torch.manual_seed(0)
    model = build_model(ModelSpec.parse(workload.spec), LRW_LABELS).to(device).train()
    engine, optimiser = Engine(device), build_optimiser(model, recipe)
    stepper = Stepper(model, model, optimiser, recipe, NoTeacher(), engine)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    batches = Stream(store, recipe).epoch(0, device=device)
    started, waited = clock(), 0.0
    for number in range(WARM_UP + workload.steps):
        if number == WARM_UP:
            _synchronise(device)
            started, waited = clock(), 0.0
        asked = clock()
        micro_batches = next(batches)
        waited += clock() - asked
        stepper.step(micro_batches, 0, recipe.lr)
    _synchronise(device)
    seconds = max(clock() - started, 1e-9)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    rate = workload.steps * workload.batch / seconds
    return Speed(workload, rate, waited / seconds, peak)


def _make_store(clips: int, size: int) -> MemoryStore:
    crops_THW = np.random.default_rng(0).integers(0, 256, (LRW_FRAMES, size, size)).astype(np.uint8)
    metas = [ClipMeta(f"clip-{n}", "", n % LRW_LABELS, 9, 20) for n in range(clips)]
    names, labels = [meta.clip_id for meta in metas], [meta.label_index for meta in metas]
    empty = [""] * clips
    facts = ClipFacts(names, names, empty, empty, labels)
    return MemoryStore(collate([(crops_THW, meta) for meta in metas]), facts)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
