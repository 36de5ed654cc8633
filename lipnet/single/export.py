"""Exporting a model: traced, checked against the library, quantised if asked, then written."""
# N clips

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from lipnet.crops.align import face_digest, load_face
from lipnet.data.loader import ClipStore, open_split
from lipnet.data.shrink import Shrink
from lipnet.errors import InputError
from lipnet.export.graph import Graph, make_clip_graphs, make_stream_graphs
from lipnet.export.onnx_file import OPSET, import_onnx, open_reader, trace, write_onnx
from lipnet.export.parity import Parity, check_parity
from lipnet.export.quantise import choose_clips, quantise_graphs
from lipnet.inference.clip_model import TorchClipModel
from lipnet.inference.embed import check_crops
from lipnet.inference.onnx_reader import GraphFacts, stream_path
from lipnet.inference.predict import predict_each
from lipnet.inference.read import find_landmarks
from lipnet.measure.accuracy import Estimate, accuracy, paired_difference, topk
from lipnet.models.fold import fold_batchnorm
from lipnet.models.lipreader import Lipreader
from lipnet.models.weights import TRAINED_ON, ModelCard, load_model
from lipnet.recipe import Recipe
from lipnet.shards.summary import read_labels, read_summary

CALIBRATION_SPLIT = "train"
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Quantised:
    """Top-1 on a held-out split: the library in float32, the int8 graphs, and the difference."""

    calibration_clips: int
    split: str
    float32: Estimate
    int8: Estimate
    difference: Estimate


@dataclass(frozen=True)
class Exported:
    """The files of an export. `parity` is that of the float32 graphs, before quantisation."""

    paths: Sequence[Path]
    card: ModelCard
    facts: Sequence[GraphFacts]
    parity: Parity
    quantised: Quantised | None = None


@dataclass(frozen=True)
class Shards:
    """Clips of the model's own preprocessing: to calibrate with, and held out to test on."""

    calibration: ClipStore
    held_out: ClipStore
    split: str
    fingerprint: str


def export_model(
    weights: Path | str,
    out: Path | str,
    *,
    int8: Path | str | None = None,
    split: str = "val",
    stream: bool = False,
    face: str = "",
) -> Exported:
    """Write a weights file as ONNX: one graph of a whole clip, or with `stream` two.

    `int8` is the folder of shards whose training clips calibrate an int8 model; its accuracy is
    compared on `split`. `face` is the file of the crops' reference face, empty for the package's.
    InputError, with nothing written, for weights, shards or a face that do not fit, or if the graph
    does not compute what the library computes.

    >>> lipnet.export_model("weights.safetensors", "model.onnx").parity.worst
    1.2e-06
    """
    weights, out = Path(weights), Path(out)
    if out.suffix != ".onnx" or not out.parent.is_dir():
        raise InputError(f"--out {out}: must be an .onnx file in a folder that exists")
    import_onnx()
    model, card = load_model(weights)
    # A megabyte for a large corpus, which nothing that runs the graph needs.
    origin = {key: value for key, value in card.origin.items() if key != TRAINED_ON}
    card = replace(card, origin=origin)
    recipe = Recipe.for_input(card.preprocessing)
    known_face = find_face(card, weights, face)
    shards = None if int8 is None else open_shards(Path(int8), weights, card, split)
    make = make_stream_graphs if stream else make_clip_graphs
    graphs = make(model, recipe.input_size)
    traced = [trace(graph) for graph in graphs]
    parity = check_parity(model, open_reader(traced, model), recipe.input_size)
    quantised = None
    if shards is not None:
        card = card.without_thresholds()
        traced, quantised = quantise(model, traced, shards, recipe)
    facts = [
        replace(_describe(graph, known_face, quantised, shards), reject_below=find_threshold(card))
        for graph in graphs
    ]
    paths = [stream_path(out, graph.name) for graph in graphs]
    for path, content, own in zip(paths, traced, facts, strict=True):
        write_onnx(path, content, card, own)
    return Exported(paths, card, facts, parity, quantised)


def find_threshold(card: ModelCard) -> float | None:
    """The probability below which no label counts as read; None if none was chosen."""
    return None if card.rejection is None else card.rejection.below


def find_face(card: ModelCard, weights: Path, face: str) -> dict[str, object]:
    """Digest and points of the face that the crops were aligned to; empty if the card names none.

    InputError if `face` is another.
    """
    wanted = card.preprocessing.get("reference_face")
    if wanted is None:
        return {}
    given = face or "the package's"
    face = face or find_landmarks(card.preprocessing, weights)
    digest = face_digest(face)
    if wanted != digest:
        raise InputError(
            f"{weights} expects crops aligned to the reference face {wanted}, but {given} is "
            f"{digest}: name its file with --face"
        )
    return {"digest": digest, "points": load_face(face).tolist()}


def open_shards(folder: Path, weights: Path, card: ModelCard, split: str) -> Shards:
    """The clips to calibrate with and to test on; InputError unless they fit the model."""
    if split == CALIBRATION_SPLIT:
        raise InputError(f"--split {split}: the calibration uses its clips; name a held-out split")
    summary = read_summary(folder)
    check_crops(card, summary.preprocessing, weights=weights, shards=folder)
    if read_labels(folder) != card.labels:
        raise InputError(f"{folder} has other labels than {weights}: take both of one profile")
    shrink = Shrink.for_recipe(Recipe.for_input(card.preprocessing))
    calibration, held_out = (
        open_split(folder, name, shrink=shrink) for name in (CALIBRATION_SPLIT, split)
    )
    return Shards(calibration, held_out, split, summary.fingerprint)


def quantise(
    model: Lipreader, graphs: Sequence[bytes], shards: Shards, recipe: Recipe
) -> tuple[list[bytes], Quantised]:
    """The graphs in int8, and their accuracy next to the library's."""
    stream = len(graphs) > 1
    clips = list(choose_clips(shards.calibration, recipe, stream=stream, boundary=model.boundary))
    small = quantise_graphs(graphs, clips)
    readers = (TorchClipModel(fold_batchnorm(model)), open_reader(small, model))
    right_N = []
    for reader in readers:
        logits_NK, labels_N = predict_each(reader, shards.held_out, recipe, device=CPU)
        right_N.append(topk(logits_NK.numpy(), labels_N.numpy(), 1))
    units = shards.held_out.facts().units
    before, after = (accuracy(right, units) for right in right_N)
    difference = paired_difference(right_N[0], right_N[1], units)
    return small, Quantised(len(clips), shards.split, before, after, difference)


def _describe(
    graph: Graph, face: dict[str, object], quantised: Quantised | None, shards: Shards | None
) -> GraphFacts:
    facts = GraphFacts(graph.name, "float32", OPSET, reference_face=face)
    if quantised is None or shards is None:
        return facts
    calibration = {"clips": quantised.calibration_clips, "shards": shards.fingerprint}
    return replace(facts, precision="int8", calibration=calibration)
