"""From a video file to words: the whole path that training data takes, for one clip."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lipnet.data.augment import central_view
from lipnet.data.loader import collate
from lipnet.errors import InputError
from lipnet.models.weights import load_model
from lipnet.train.recipe import Recipe
from lipnet.video.align import face_digest, load_face
from lipnet.video.crop import CropOptions, crop_matrices, crop_mouth
from lipnet.video.decode import VideoError, read_frames
from lipnet.video.detector import DlibDetector, find_predictor
from lipnet.video.landmarks import LandmarkOptions, track_landmarks


def read_video(video: Path, weights: Path, *, top: int = 5) -> list[tuple[str, float]]:
    """The `top` most likely labels of a video of one word, with their probabilities.

    InputError where the weights cannot be used or the video shows no face.
    """
    model, card = load_model(weights)
    recipe = Recipe.for_input(card.preprocessing)
    crops = crop_video(video, crop_options_of(card.preprocessing, weights))
    meta: dict[str, object] = {"label_index": 0, "word_first": 0, "word_last": len(crops)}
    view = central_view(collate([(recipe.shrink(crops), meta)]), recipe)
    with torch.inference_mode():
        probabilities = model(view.frames_BTHW, view.lengths_B).softmax(1)[0]
    best = probabilities.topk(min(top, len(card.labels)))
    return [
        (card.labels[index], float(share))
        for index, share in zip(best.indices.tolist(), best.values, strict=True)
    ]


def crop_options_of(facts: dict[str, object], weights: Path) -> CropOptions:
    """How the model's training crops were cut, from its weights file."""
    try:
        size, smooth, centre = (
            int(str(facts[name])) for name in ("size", "smooth", "smooth_centre")
        )
        options = CropOptions(size=size, smooth=smooth, smooth_centre=centre)
    except (KeyError, ValueError) as error:
        raise InputError(f"{weights} does not say how its crops were cut: {error}") from None
    if facts.get("reference_face") != face_digest(options.face):
        raise InputError(f"{weights} was trained with another reference face than the package's")
    return options


def crop_video(video: Path, crops: CropOptions) -> NDArray[np.uint8]:
    """The mouth crops [T, size, size] of a video; InputError where it has no face."""
    options = LandmarkOptions()
    try:
        frames = read_frames(video)
        track = track_landmarks(frames, DlibDetector(find_predictor(options.predictor)), options)
        matrices = crop_matrices(track.points_TP2, load_face(crops.face), crops)
        return crop_mouth(frames, matrices, crops.size)
    except VideoError as error:
        raise InputError(f"{video} cannot be read: {error.reason} ({error.detail})") from None
    except ValueError as error:
        raise InputError(f"{video} shows no face that can be aligned: {error}") from None
