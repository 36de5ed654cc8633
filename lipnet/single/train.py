"""One model trained from crops in memory: how to train from Python, without stages or shards."""

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lipnet.clip import FPS
from lipnet.crops.crop import CropOptions, describe_crops
from lipnet.data.batch import collate
from lipnet.data.clip_set import ClipSet
from lipnet.data.loader import ClipFacts, MemoryStore
from lipnet.data.shrink import Shrink
from lipnet.device import choose_device
from lipnet.errors import InputError
from lipnet.files import digest_of
from lipnet.landmark_names import DLIB
from lipnet.lineage.generation import WEIGHTS_FILE, Generation, TrainingFacts
from lipnet.lineage.lineage import train_lineage
from lipnet.lineage.plan import LineageData, LineagePlan
from lipnet.recipe import Recipe
from lipnet.shards.index import PixelStats, ShardContents, pixel_stats
from lipnet.shards.meta import ClipMeta
from lipnet.spec import ModelSpec
from lipnet.train.aside import remove_others
from lipnet.train.checkpoint import checkpoint_path
from lipnet.train.engine import Engine
from lipnet.train.history import EpochRecord
from lipnet.train.listener import Silent

# T frames  H W pixels
LabelledCrops = tuple[NDArray[np.uint8], str]  # [T, H, W] of one word, and the word


def train_model(
    spec: ModelSpec | str,
    train: Sequence[LabelledCrops],
    val: Sequence[LabelledCrops],
    out: Path | str,
    *,
    recipe: Recipe | None = None,
    crops: CropOptions | None = None,
    landmarks: str = DLIB,
    teachers: Sequence[Path | str] = (),
    device: torch.device | None = None,
    on_epoch: Callable[[EpochRecord], None] = lambda record: None,
) -> Path:
    """Train one model on crops and return the path of its weights file.

    `train` and `val` are pairs of crops (uint8, [T, H, W], as `crop_video` cuts them) and their
    word; validation chooses the epoch that is kept. `crops` are the options that they were cut
    with, `landmarks` is the name of the landmark model. Weights files in `teachers` teach the model
    together (paper section 3.2). An interrupted call with the same arguments resumes from `out`.
    Warnings about the training are issued as Python warnings. Raises InputError for crops or a
    recipe that cannot be used.

        >>> clips = [(lipnet.crop_video(path).crops_THW, path.parent.name) for path in videos]
        >>> train, val = clips[::2], clips[1::2]
        >>> recipe = lipnet.Recipe(epochs=20, batch=8)
        >>> big = lipnet.train_model("resnet18 + mstcn_3x", train, val, "big", recipe=recipe)
        >>> small = lipnet.train_model(
        ...     "shufflenetv2_0.5x + tcn_1x", train, val, "small", recipe=recipe, teachers=[big]
        ... )
    """
    recipe, crops = recipe or Recipe(), crops or CropOptions()
    folder = Path(out)
    plan = LineagePlan(
        folder.name,
        ModelSpec.parse(spec) if isinstance(spec, str) else spec,
        recipe,
        generations=1 if teachers else 0,
        teachers=tuple(map(Path, teachers)),
    )
    data = stack_crops(train, val, recipe=recipe, crops=crops, landmarks=landmarks)
    engine = Engine(choose_device() if device is None else device)
    folder.mkdir(parents=True, exist_ok=True)
    done = train_lineage(plan, data, work=folder, engine=engine, listener=EpochCallback(on_epoch))
    for made in done:
        remove_others(folder / made.name)
        remove_others(checkpoint_path(folder / made.name))
    return folder / done[0].name / WEIGHTS_FILE


def stack_crops(
    train: Sequence[LabelledCrops],
    val: Sequence[LabelledCrops],
    *,
    recipe: Recipe,
    crops: CropOptions,
    landmarks: str = DLIB,
) -> LineageData:
    """Both splits in memory at the recipe's size; the labels are those of `train`, sorted.

    InputError for an empty split, crops of another type or size, and words of `val` that `train`
    does not have.
    """
    labels = sorted({word for _, word in train})
    for name, split in (("train", train), ("val", val)):
        _check_split(name, split, labels, recipe, crops)
    preprocessing = {**describe_crops(crops, landmarks), "fps": FPS, "source": "crops"}
    digest = hashlib.sha256(digest_of(preprocessing).encode())
    for name, split in (("train", train), ("val", val)):
        for clip_THW, word in split:
            digest.update(f"{name} {word} {clip_THW.shape}".encode())
            digest.update(np.ascontiguousarray(clip_THW).tobytes())
    shortest = min(len(clip_THW) for clip_THW, _ in train)
    return LineageData(
        train=_store(train, labels, recipe),
        val=_store(val, labels, recipe),
        labels=labels,
        preprocessing=preprocessing,
        digest=digest.hexdigest()[:16],
        pixels=measure_pixels([clip_THW for clip_THW, _ in train]),
        trained_on=ClipSet.of("crops", map(_name_clip, range(len(train)))),
        shortest=shortest,
        shortest_cut=shortest,  # a word is a whole clip
    )


def measure_pixels(crops: Sequence[NDArray[np.uint8]]) -> PixelStats:
    """Mean and deviation of all pixels, as of shards."""
    levels = np.arange(256)
    tally = sum(np.bincount(clip_THW.ravel(), minlength=256) for clip_THW in crops)
    sums = [int((tally * levels**power).sum()) for power in (0, 1, 2)]
    return pixel_stats([ShardContents(pixels=sums[0], pixel_sum=sums[1], pixel_square_sum=sums[2])])


def _check_split(
    name: str,
    split: Sequence[LabelledCrops],
    labels: Sequence[str],
    recipe: Recipe,
    crops: CropOptions,
) -> None:
    if not split:
        raise InputError(f"{name} has no clips: at least one is needed")
    if crops.size < recipe.stored_field:
        raise InputError(
            f"crops of {crops.size} pixels are too small for recipe.field {recipe.field}, which "
            f"needs {recipe.stored_field}: lower recipe.field or cut larger crops"
        )
    for number, (clip_THW, word) in enumerate(split):
        shape = (crops.size, crops.size)
        if clip_THW.dtype != np.uint8 or clip_THW.ndim != 3 or clip_THW.shape[1:] != shape:
            raise InputError(
                f"{name} clip {number} is {clip_THW.dtype} {clip_THW.shape}; it must be uint8 "
                f"[frames, {crops.size}, {crops.size}] as `crop_video` cuts it"
            )
        if not len(clip_THW):
            raise InputError(f"{name} clip {number} has no frames: leave it out")
        if word not in labels:
            raise InputError(f"{name} clip {number} shows {word!r}, which train does not have")


def _name_clip(number: int) -> str:
    return f"clip-{number}"


def _store(split: Sequence[LabelledCrops], labels: Sequence[str], recipe: Recipe) -> MemoryStore:
    shrink = Shrink.for_recipe(recipe)
    index = {label: number for number, label in enumerate(labels)}
    names = [_name_clip(number) for number in range(len(split))]
    samples = [
        (shrink(clip_THW), ClipMeta(name, word, index[word], 0, len(clip_THW)))
        for name, (clip_THW, word) in zip(names, split, strict=True)
    ]
    none = [""] * len(split)
    return MemoryStore(
        collate(samples), ClipFacts(names, names, none, none, [index[word] for _, word in split])
    )


@dataclass(frozen=True)
class EpochCallback(Silent):
    """A listener of lineages and of their trainings that calls back once per epoch."""

    epoch: Callable[[EpochRecord], None]

    def begin(self, model: str, facts: TrainingFacts) -> "EpochCallback":
        return self

    def end(self, generation: Generation) -> None:
        return

    def on_epoch(self, record: EpochRecord) -> None:
        self.epoch(record)

    def on_warning(self, text: str) -> None:
        warnings.warn(text, stacklevel=2)
