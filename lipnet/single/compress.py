"""Compressing one trained model by hand: packed, tuned if asked, and compared with its source."""
# N clips

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipnet.compress.compression import bits_per_weight, dense_bytes, fit_compression
from lipnet.compress.statistics import TRAIN, VAL, choose_statistics
from lipnet.compress.storage import CompressedStorage
from lipnet.data.loader import ClipStore, open_split
from lipnet.data.shrink import Shrink
from lipnet.device import choose_device
from lipnet.errors import InputError
from lipnet.files import digest_files, is_same_path
from lipnet.how import How
from lipnet.inference.embed import check_crops
from lipnet.inference.predict import predict_logits
from lipnet.lineage.generation import WEIGHTS_FILE
from lipnet.lineage.lineage import train_lineage
from lipnet.lineage.plan import LineageData, LineagePlan
from lipnet.measure.accuracy import Estimate, accuracy, paired_difference, topk
from lipnet.models.lengths import ORIGIN_KEY as LENGTHS_KEY
from lipnet.models.lipreader import Lipreader
from lipnet.models.rejection import choose_rejection, describe_rejection
from lipnet.models.weights import (
    TRAINED_ON,
    ModelCard,
    copy_weights,
    is_packed,
    load_card,
    load_model,
    save_packed,
    save_weights,
)
from lipnet.recipe import Recipe
from lipnet.shards.index import PixelStats
from lipnet.shards.summary import read_labels, read_summary
from lipnet.single.train import EpochCallback
from lipnet.spec import ModelSpec
from lipnet.train.engine import Engine
from lipnet.train.history import EpochRecord

# What became of BatchNorm's statistics.
KEPT, MEASURED, TRAINED = "kept", "measured again", "trained"
MARKER = "lipnet-compress"  # the empty file in the folder of a tuning


@dataclass(frozen=True)
class Compared:
    """Top-1 on a split before and after, and the paired difference.

    `statistics`: those of BatchNorm were kept or measured again, as validation chose, or trained.
    `also_chose`: what the clips of the split chose of the file, empty if nothing.
    """

    split: str
    statistics: str
    source: Estimate
    compressed: Estimate
    difference: Estimate
    also_chose: str = ""


@dataclass(frozen=True)
class Compressed:
    """A packed file, or one of a single width; `ratio` is the bytes of the source's tensors in
    single precision over the file's, of a source of several widths those of the widest.

    `left_out`: the narrower widths of the source, if its widest network alone was packed.
    """

    path: Path
    card: ModelCard
    how: How
    file_bytes: int
    ratio: float
    bits_per_weight: float
    compared: Compared | None
    left_out: tuple[float, ...] = ()


@dataclass(frozen=True)
class Source:
    """The file, its model, and what is to be compressed: the same, or one of its widths, and its
    card."""

    path: Path
    widest: Lipreader
    model: Lipreader
    card: ModelCard


def compress_model(
    weights: Path | str,
    out: Path | str,
    how: How | str,
    *,
    shards: Path | str | None = None,
    split: str = VAL,
    tune: Recipe | None = None,
    on_epoch: Callable[[EpochRecord], None] = lambda record: None,
) -> Compressed:
    """Write a packed copy of a weights file, or of one width of a file of several: the widest, if
    `how` names none.

    With `shards`, of the model's own preprocessing, BatchNorm's statistics are measured again on
    training clips, and kept if they are better on validation, which also chooses the threshold of
    rejection; the accuracies are of `split`. With the recipe `tune` the packed model is then
    trained, taught by the source; an interrupted call with the same arguments resumes from a
    folder next to `out`, small.work for small.safetensors, which is removed at the end. InputError,
    with nothing written, for weights, shards or a recipe that do not fit, and for another folder of
    that name.

    >>> lipnet.compress_model("weights.safetensors", "small.safetensors", "int8").ratio
    3.9
    """
    weights, out = Path(weights), Path(out)
    how = How.parse(how) if isinstance(how, str) else how
    _check_files(weights, out, how)
    source = Source(
        weights, load_model(weights)[0], *load_model(weights, width=how.width, exit=how.exit)
    )
    how.check_spec(ModelSpec.parse(source.card.spec))
    if tune is not None:
        _check_tuning(source, how, tune)
    if shards is None:
        if tune is not None:
            raise InputError("tuning needs the shards with the clips to train on: name --shards")
        _write(source, out, how, None)
        return _describe(source, out, how, None)
    clips = _open_splits(source, Path(shards), {TRAIN, VAL, split})
    if split == TRAIN:
        raise InputError(f"--split {split}: the model was trained on its clips; name another one")
    if tune is None:
        statistics = _write(source, out, how, clips)
    else:
        _tune(source, out, how, clips, Path(shards), tune, on_epoch)
        statistics = TRAINED
    compared = _compare(source, out, clips[split], split, statistics)
    if split == VAL and how.coding is not None:
        compared = replace(compared, also_chose=_name_choice(statistics))
    return _describe(source, out, how, compared)


def _check_files(weights: Path, out: Path, how: How) -> None:
    """Raise InputError if `how` is not of a weights file, or a path cannot be read or written."""
    if how.is_graph:
        raise InputError(
            f"how {how}: an ONNX file, which `lipnet export WEIGHTS --out FILE.onnx --int8 SHARDS` "
            "writes"
        )
    if out.suffix != ".safetensors" or not out.parent.is_dir():
        raise InputError(f"--out {out}: a .safetensors in a folder that exists")
    if is_same_path(out, weights):
        raise InputError(f"--out {out} is the file to be compressed: name another one")
    if is_packed(weights):
        raise InputError(f"{weights} is compressed already: take the model that it was made from")


def _check_tuning(source: Source, how: How, recipe: Recipe) -> None:
    """Raise InputError for a part, and unless the recipe shows the model the clips as its source
    sees them."""
    if how.is_part:
        raise InputError(f"how {how}: a part is not tuned, because all parts trained together")
    known = Recipe.for_input(source.card.preprocessing)
    for name in (*known.input_facts, "eval_context"):
        own, theirs = getattr(recipe, name), getattr(known, name)
        if own != theirs and name not in recipe.measured:
            raise InputError(f"recipe.{name} is {own}, but that of {source.path} is {theirs}")


def _write(source: Source, out: Path, how: How, clips: Mapping[str, ClipStore] | None) -> str:
    """Write the file without training; what became of BatchNorm's statistics."""
    card, model = source.card, source.model
    origin = card.without_thresholds().origin
    origin |= CompressedStorage(how, digest_files([source.path])).origin
    statistics = KEPT
    if how.coding is None:
        if clips is not None:
            origin |= _choose_threshold(card, model, clips[VAL])
        save_weights(out, model, replace(card, origin=origin))
        return statistics
    compression = fit_compression(how.coding, model)
    if clips is not None:
        recipe = Recipe.for_input(card.preprocessing)
        chosen = choose_statistics(model, compression, clips, recipe, device=choose_device())
        model, statistics = chosen.model, MEASURED if chosen.measured_again else KEPT
        origin |= describe_rejection(choose_rejection(*chosen.validation))
    save_packed(out, compression.pack(model), replace(card, origin=origin))
    return statistics


def _open_work(out: Path) -> Path:
    """The folder of a tuning, new or of an interrupted one; InputError for any other, because it
    is removed at the end."""
    work = out.with_suffix(".work")
    if work.exists() and not (work / MARKER).is_file():
        raise InputError(
            f"{work} is not of a tuning that was interrupted: move it, or change --out"
        )
    work.mkdir(exist_ok=True)
    (work / MARKER).touch()
    return work


def _choose_threshold(card: ModelCard, model: Lipreader, val: ClipStore) -> dict[str, object]:
    """The entry of the origin for a model whose weights are stored as they are."""
    recipe, device = Recipe.for_input(card.preprocessing), choose_device()
    validation = predict_logits(model.to(device), val, recipe, device=device)
    return describe_rejection(choose_rejection(*validation))


def _tune(
    source: Source,
    out: Path,
    how: How,
    clips: Mapping[str, ClipStore],
    shards: Path,
    recipe: Recipe,
    on_epoch: Callable[[EpochRecord], None],
) -> None:
    """Train the packed model as a lineage that starts from its source and is taught by it."""
    plan = LineagePlan(
        out.stem,
        ModelSpec.parse(source.card.spec),
        recipe,
        generations=1,
        teachers=(source.path,),
        start=source.path,
        storage=CompressedStorage(how, digest_files([source.path])),
    )
    summary = read_summary(shards)
    data = LineageData(
        train=clips[TRAIN],
        val=clips[VAL],
        labels=source.card.labels,
        preprocessing=source.card.preprocessing,
        digest=summary.fingerprint,
        pixels=PixelStats(summary.pixel_mean, summary.pixel_std),
    )
    work, engine = _open_work(out), Engine(choose_device())
    done = train_lineage(plan, data, work=work, engine=engine, listener=EpochCallback(on_epoch))
    tuned, origin = work / done[0].name / WEIGHTS_FILE, source.card.origin
    # What the source was trained on, cut at random; tuning sees the same clips whole.
    kept = {name: origin[name] for name in (LENGTHS_KEY, TRAINED_ON) if name in origin}
    copy_weights(tuned, out, kept)
    shutil.rmtree(work)


def _name_choice(statistics: str) -> str:
    """What validation chose of a file whose BatchNorm statistics came to be in this way."""
    return "the epoch" if statistics == TRAINED else "these statistics"


def _compare(source: Source, out: Path, clips: ClipStore, split: str, statistics: str) -> Compared:
    """Top-1 of both files."""
    recipe, units = Recipe.for_input(source.card.preprocessing), clips.facts().units
    before_N = _judge(source.widest, clips, recipe)
    after_N = _judge(load_model(out)[0], clips, recipe)
    difference = paired_difference(before_N, after_N, units)
    return Compared(
        split, statistics, accuracy(before_N, units), accuracy(after_N, units), difference
    )


def _describe(source: Source, out: Path, how: How, compared: Compared | None) -> Compressed:
    size, model = out.stat().st_size, source.model
    figures = (size, dense_bytes(source.widest) / size, bits_per_weight(size, model))
    left_out = () if how.is_part else load_card(source.path).widths[1:]
    return Compressed(out, load_card(out), how, *figures, compared, left_out)


def _open_splits(source: Source, shards: Path, splits: set[str]) -> dict[str, ClipStore]:
    summary = read_summary(shards)
    check_crops(source.card, summary.preprocessing, weights=source.path, shards=shards)
    if read_labels(shards) != source.card.labels:
        raise InputError(f"{shards} has other labels than {source.path}: take both of one profile")
    shrink = Shrink.for_recipe(Recipe.for_input(source.card.preprocessing))
    return {split: open_split(shards, split, shrink=shrink) for split in sorted(splits)}


def _judge(model: Lipreader, clips: ClipStore, recipe: Recipe) -> NDArray[np.bool_]:
    """Whether each clip's label is first."""
    device = choose_device()
    logits_NK, labels_N = predict_logits(model.to(device), clips, recipe, device=device)
    return topk(logits_NK.numpy(), labels_N.numpy(), 1)
