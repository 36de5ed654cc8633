"""Release a model of a study: its weights, in half precision unless they are packed, or its ONNX
graph, and a card."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from lipnet.errors import InputError
from lipnet.inference.clip_model import ONNX, read_card
from lipnet.inference.logits import read_logits
from lipnet.labels import BACKGROUND
from lipnet.landmark_names import DLIB, MESH
from lipnet.lineage.generation import Generation, model_file, read_generation
from lipnet.measure.accuracy import accuracy
from lipnet.models.weights import (
    STARTED_FROM,
    is_packed,
    load_card,
    load_model,
    read_tensors,
    save_tensors,
)
from lipnet.report.columns import format_top1, format_top5
from lipnet.report.conditions import MeasuredModel, measure_conditions, read_conditions
from lipnet.report.conditions_page import describe_model_conditions
from lipnet.report.front_matter import front_matter
from lipnet.report.markdown import join, percent
from lipnet.report.names import name_compression
from lipnet.report.rows import LeaderboardRow, Score, files_of
from lipnet.report.saved import read_corpus, read_results_rows
from lipnet.report.study import Study
from lipnet.shards.summary import read_labels_file, read_summary_file
from lipnet.sources.discover import find_source

MAX_BYTES = 20_000_000
LANDMARK_TERMS = {
    DLIB: "dlib, whose data exclude commercial use (iBUG 300-W)",
    MESH: "MediaPipe's face mesh (Apache 2.0)",
}
LIMITS = (
    "It knows the labels in its header and no others: it reads another word as one of them, or "
    "rejects it if its probability is below the threshold; how often was not measured. "
    "Accuracy on people, cameras and poses that it was not trained on is lower. Not for "
    "following what somebody says without their consent."
)


def release_model(
    study: Study, model_id: str, folder: Path, *, attribution: str = "", curves: bool = False
) -> Path:
    """Write <study>-<model>.safetensors (or .onnx) and .md into `folder`; returns the first's path.

    A packed file and a graph are copied as they are; other weights, of all widths of a file of
    several, are rounded to half precision.
    The card has the context curve and robustness if they were measured; `curves` measures them on
    the study's test shards.
    `attribution` names the training data and its licence if the source's are not known;
    InputError without it, for an unknown model or one above 20 MB.
    """
    models = {row.model: row for row in files_of(read_results_rows(study))}
    row = models.get(model_id)
    if row is None:
        raise InputError(f"{study.root} has no model {model_id!r}; it has: {', '.join(models)}")
    source = read_corpus(study.report).source
    data = attribution or find_source(source).attribution
    if not data:
        raise InputError(
            f"the terms of {source!r} are not known: name the data that {model_id} was trained on "
            "and its licence with --data"
        )
    place = study.lineage(row.lineage) / row.generation
    found = model_file(place)
    path = folder / f"{study.name}-{model_id}{found.suffix}"
    generation = read_generation(place)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".") as partial:
        weights = Path(partial) / path.name
        is_exact = _write_weights(found, weights, generation.fingerprint)
        measured = _find_conditions(study, row, measure=curves)
        described = _describe(study, row, models, weights, generation, data, is_exact=is_exact)
        described += describe_model_conditions(measured) if measured else []
        described += _describe_file(weights)
        text = "\n".join([*front_matter(path.stem, source, top1_of(row)), *described])
        weights.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
        for written in (weights.with_suffix(".md"), weights):
            written.replace(folder / written.name)
    return path


def _find_conditions(study: Study, row: LeaderboardRow, *, measure: bool) -> MeasuredModel | None:
    """What was measured of the model, None if nothing was; `measure` does it now."""
    if measure:
        return measure_conditions(study, row)
    return read_conditions(study, [row]).get(row.model)


def top1_of(row: LeaderboardRow) -> dict[str, float]:
    """The model's accuracy on each split that it was measured on."""
    return {split: score.top1 for split, score in row.scores.items()}


def _write_weights(weights: Path, path: Path, fingerprint: str) -> bool:
    """Write the released file; returns whether its weights are equal to the study's."""
    if read_card(weights).origin.get("fingerprint") != fingerprint:
        raise InputError(f"{weights} is not what its generation.json describes: run `dvc repro`")
    is_copied = weights.suffix == ONNX or is_packed(weights)
    size = weights.stat().st_size if is_copied else _halved_bytes(weights)
    if size > MAX_BYTES:
        raise InputError(
            f"{path.name} would be {size / 1e6:.1f} MB; a released model is at most "
            f"{MAX_BYTES / 1e6:.0f} MB: choose a smaller one"
        )
    if is_copied:
        shutil.copyfile(weights, path)
        return True
    load_model(weights)  # InputError if the file is damaged
    card = load_card(weights)
    tensors = read_tensors(weights, card)
    save_tensors(path, tensors, card, half=True)
    floats = [own.float() for own in tensors.values() if own.is_floating_point()]
    return all(torch.equal(own, own.half().float()) for own in floats)


def _halved_bytes(weights: Path) -> int:
    return sum(2 * tensor.numel() for tensor in read_tensors(weights, load_card(weights)).values())


def _describe(
    study: Study,
    row: LeaderboardRow,
    models: Mapping[str, LeaderboardRow],
    path: Path,
    generation: Generation,
    data: str,
    *,
    is_exact: bool,
) -> list[str]:
    """The model card; `is_exact` if the released weights are those that the study measured."""
    summary = read_summary_file(study.summary_file)
    splits, speakers = summary.splits, f" {summary.overlap}" if summary.overlap else ""
    counts = ", ".join(f"{own.clips} {split}" for split, own in splits.items())
    size, fit = path.stat().st_size, row.model_fit
    origin = read_card(path).origin
    how, start = origin.get("how"), origin.get(STARTED_FROM)
    started = f" Its training started from the weights of `{start}`." if start else ""
    form = f"{'ONNX' if path.suffix == ONNX else 'packed'}, {how}" if how else "in half precision"
    measured = "Of this file" if is_exact else "Before the rounding to half precision"
    return [
        f"# {path.stem}",
        "",
        f"`{row.spec}`: {row.params_m:.2f} million parameters, "
        f"{row.gflops:.3f} GFLOPs for a clip of 29 frames at {fit.input_size} pixels; "
        f"{size / 1e6:.1f} MB {form}.",
        "",
        f"**Data.** {data} Clips: {counts}.{speakers}{describe_landmarks(summary.preprocessing)}",
        "",
        f"**Lineage.** {_trace(row, models)}{started}",
        "",
        f"**Recipe.** {_describe_recipe(row, generation)}",
        "",
        "| split | clips | top-1 [95 %] | top-5 [95 %] |",
        "|---|---:|---:|---:|",
        *(_format_score(split, score) for split, score in row.scores.items()),
        "",
        f"{measured}, by the study `{study.name}`. Intervals resample "
        "what is independent (GRID: the sentence). The test split chose nothing"
        f"{'; validation chose this model of its lineage' if row.chosen else ''}."
        f"{_describe_words(study, row)}",
        "",
    ]


def _describe_words(study: Study, row: LeaderboardRow) -> str:
    """A sentence about the test clips of words alone; empty if all test clips are of words."""
    saved = read_logits(study.logits(row.lineage, row.generation, "test"))
    labels = np.array(read_labels_file(study.labels_file))
    is_word_N = labels[saved.labels] != BACKGROUND
    if is_word_N.all() or not is_word_N.any():
        return ""
    is_correct_N = saved.logits.argmax(axis=1) == saved.labels
    words = accuracy(is_correct_N[is_word_N], saved.units[is_word_N])
    return (
        f" {len(is_word_N) - words.clips:,} of the test clips are windows without a word; the "
        f"{words.clips:,} words alone read {percent(words.value)} % "
        f"[{percent(words.low)}, {percent(words.high)}]."
    )


def _describe_file(path: Path) -> list[str]:
    """The end of the model card: limits, the lengths of training clips, streams, the digest."""
    card = read_card(path)
    streams = [f"**Streams.** {card.spotting.describe()}.", ""] if card.spotting else []
    return [
        f"**Limits.** {LIMITS} It was trained on {card.lengths.describe()}.",
        "",
        *streams,
        f"SHA-256 of the weights: `{hashlib.sha256(path.read_bytes()).hexdigest()}`.",
    ]


def describe_landmarks(preprocessing: Mapping[str, object]) -> str:
    """A sentence about the landmark model of the crops; empty if the corpus has ready crops."""
    if preprocessing.get("ready"):
        return ""
    model = str(preprocessing.get("landmarks", DLIB))
    return f" Landmarks: {LANDMARK_TERMS.get(model, model)}."


def _describe_recipe(row: LeaderboardRow, generation: Generation) -> str:
    if row.compression and not row.compression.is_tuned:
        return "That of the model that it was made from; it was not tuned."
    settings = ", ".join(f"{name} {value}" for name, value in asdict(generation.recipe).items())
    return f"{settings}; weights of epoch {generation.best_epoch + 1}, best on validation."


def _trace(row: LeaderboardRow, models: Mapping[str, LeaderboardRow]) -> str:
    """From the model back to the one that had no teacher."""
    made = ""
    if row.compression and row.teacher in models:
        own, change = row.compression, 100 * row.compression.difference
        made = (
            f"`{row.model}`, a copy ({name_compression(own)}) that is {own.ratio:.1f} times "
            f"smaller and differs by {change:+.1f} points on test, of "
        )
        row = models[row.teacher]
    is_tuned = row.training == "scratch" and row.model_fit.start is not None
    parts = [f"{made}`{row.model}` ({'fine-tuned' if is_tuned else row.training})"]
    while row.teacher in models:
        row = models[row.teacher]
        parts.append(
            f"distilled from `{row.model}` ({row.spec}, {percent(row.test.top1)} % on test)"
        )
    if row.teacher:
        parts.append(f"distilled from `{row.teacher}`")
    return ", ".join(parts) + "."


def _format_score(split: str, score: Score) -> str:
    return join([split, str(score.clips), format_top1(score), format_top5(score)])
