"""Embeddings: the features before the last linear layer, of stored clips or of video files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lipnet.crops.crop import CROP_FACTS, DEFAULT_FACTS, CropOptions
from lipnet.data.augment import central_view
from lipnet.data.batch import collate
from lipnet.data.loader import open_split
from lipnet.data.shrink import Shrink
from lipnet.device import choose_device
from lipnet.errors import InputError
from lipnet.files import write_atomic
from lipnet.inference.crop import crop_video, shared_detector
from lipnet.inference.finite import check_finite
from lipnet.inference.predict import predict_each
from lipnet.inference.read import crop_options_of, find_landmarks
from lipnet.landmarks.options import LandmarkModel, LandmarkOptions
from lipnet.models.fold import fold_batchnorm
from lipnet.models.lipreader import Lipreader
from lipnet.models.weights import ModelCard, load_model
from lipnet.recipe import Recipe
from lipnet.shards.meta import ClipMeta
from lipnet.shards.summary import read_labels, read_summary
from lipnet.video.decode import VideoError

# N clips  D features


@dataclass(frozen=True, eq=False)
class Embeddings:
    """One row per clip; labels are empty for videos. `reasons` has why each of `failed` failed."""

    embeddings: NDArray[np.float32]
    clip_ids: Sequence[str]
    labels: Sequence[str]
    failed: Sequence[str] = ()
    reasons: Sequence[str] = ()


def embed_shards(weights: Path, shards: Path, split: str) -> Embeddings:
    """Every clip of `shards`/`split`, in order; InputError if the model expects other crops."""
    device = choose_device()
    model, card = load_model(weights, device=str(device))
    preprocessing, labels = read_summary(shards).preprocessing, read_labels(shards)
    check_crops(card, preprocessing, weights=weights, shards=shards)
    recipe = Recipe.for_input(card.preprocessing)
    clips = open_split(shards, split, shrink=Shrink.for_recipe(recipe))
    out_ND, labels_N = predict_each(
        fold_batchnorm(model).embed, clips, recipe, device=device, name=str(weights)
    )
    names = [labels[index] for index in labels_N.tolist()]
    return Embeddings(out_ND.numpy(), clips.facts().clip_ids, names)


def check_crops(
    card: ModelCard, preprocessing: Mapping[str, object], *, weights: Path, shards: Path
) -> None:
    """InputError if the shards' crops were made in another way than the model's training crops."""
    for name in (*CROP_FACTS, "ready"):
        unknown = DEFAULT_FACTS.get(name)
        ours, theirs = card.preprocessing.get(name, unknown), preprocessing.get(name, unknown)
        if ours != theirs:
            raise InputError(
                f"{weights} was trained on crops of {name} {ours}, {shards} has {name} {theirs}: "
                "take weights and shards of one profile"
            )


def embed_videos(
    weights: Path | str,
    videos: Sequence[Path | str],
    detector: LandmarkModel | None = None,
    *,
    face: str = "",
) -> Embeddings:
    """Each video as one clip; one that cannot be read or shows no face is listed as failed.

    Without a `detector` the landmark model of the model's training crops is loaded.

    >>> lipnet.embed_videos("weights.safetensors", ["a.mp4", "b.mp4"]).embeddings.shape
    (2, 512)
    """
    weights, paths = Path(weights), [Path(video) for video in videos]
    if len(set(paths)) < len(paths):
        raise InputError("a video is given twice: embeddings are identified by its path")
    model, card = load_model(weights, device=str(choose_device()))
    if model.boundary:
        raise InputError(
            f"{weights} ({card.spec}) needs the frames of the word, which no video file names: "
            "embed shards instead"
        )
    recipe = Recipe.for_input(card.preprocessing)
    options = crop_options_of(card.preprocessing, weights, face)
    detector = detector or shared_detector(find_landmarks(card.preprocessing, weights))
    folded = fold_batchnorm(model)
    rows: dict[str, NDArray[np.float32]] = {}
    failed: dict[str, str] = {}
    for video, found in crop_each(paths, detector, options):
        if isinstance(found, VideoError):
            failed[str(video)] = str(found)
        else:
            rows[str(video)] = embed_crops(folded, found, recipe)
            row_1D = torch.from_numpy(rows[str(video)])[None]
            check_finite(row_1D, [str(video)], model=str(weights))
    out_ND = np.array(list(rows.values()), np.float32).reshape(-1, model.classifier.in_features)
    return Embeddings(out_ND, list(rows), [""] * len(rows), list(failed), list(failed.values()))


def crop_each(
    videos: Sequence[Path], detector: LandmarkModel, options: CropOptions
) -> Iterator[tuple[Path, NDArray[np.uint8] | VideoError]]:
    """Each video with its mouth crops [T, size, size], or with the error."""
    for video in videos:
        try:
            made = crop_video(video, detector, crops=options, landmarks=LandmarkOptions())
        except VideoError as error:
            yield video, error
        else:
            yield video, made.crops_THW


def embed_crops(
    model: Lipreader, crops_THW: NDArray[np.uint8], recipe: Recipe
) -> NDArray[np.float32]:
    """The features [D] of one clip's crops, as stored."""
    meta = ClipMeta.unlabelled("", 0, len(crops_THW))
    batch = collate([(Shrink.for_recipe(recipe)(crops_THW), meta)]).to(
        model.classifier.weight.device
    )
    view = central_view(batch, recipe)
    with torch.inference_mode():
        features_1D = model.embed(view.frames_BTHW, view.lengths_B)
    return features_1D[0].float().cpu().numpy()


def write_embeddings(path: Path, made: Embeddings) -> None:
    """One .npz, whole or not at all: embeddings [N, D] float32, and as strings clip_ids and labels
    [N], failed and reasons; equal embeddings give equal bytes."""
    names = ("clip_ids", "labels", "failed", "reasons")
    texts: dict[str, Any] = {name: np.array(getattr(made, name), np.str_) for name in names}
    with write_atomic(path) as temporary, temporary.open("wb") as out:
        np.savez(out, embeddings=made.embeddings, **texts)
