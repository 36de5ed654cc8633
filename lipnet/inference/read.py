"""From a video file to words: the preprocessing of training data, then a model, for one clip."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lipnet.clip import FPS
from lipnet.crops.align import face_digest
from lipnet.crops.crop import CropOptions
from lipnet.data.augment import central_view
from lipnet.data.batch import collate
from lipnet.data.shrink import Shrink
from lipnet.errors import InputError
from lipnet.inference import crop as crop_videos
from lipnet.inference.finite import check_finite
from lipnet.inference.reader import load_reader
from lipnet.landmarks.detector import DlibDetector, find_predictor
from lipnet.landmarks.track import LandmarkOptions
from lipnet.recipe import Recipe
from lipnet.shards.meta import ClipMeta
from lipnet.video.decode import VideoError

Span = tuple[float, float]  # seconds from the video's start


def read_video(
    video: Path | str,
    weights: Path | str,
    *,
    top: int = 5,
    word: Span | None = None,
    face: str = "",
) -> list[tuple[str, float]]:
    """The `top` most likely labels of a video of one word, with their probabilities.

    `word` is the span of the word, for models that take word boundaries; `face` is the file of
    the reference face that the model's crops were aligned to, empty for the package's. InputError
    if the weights cannot be used, `word` is missing or the video shows no face.

        >>> lipnet.read_video("word.mp4", "weights.safetensors", top=2)
        [('BLUE', 0.81), ('BY', 0.07)]
    """
    video, weights = Path(video), Path(weights)
    if top < 1:
        raise InputError(f"--top {top}: at least 1 word")
    model, card = load_reader(weights)
    if model.boundary and word is None:
        raise InputError(
            f"{weights} ({card.spec}) needs the span of the word: --word START END (seconds)"
        )
    if word is not None and not model.boundary:
        raise InputError(
            f"{weights} ({card.spec}) does not use the span of the word: leave out --word"
        )
    recipe = Recipe.for_input(card.preprocessing)
    crops = crop_video(video, crop_options_of(card.preprocessing, weights, face))
    first, last = find_word(word, len(crops)) if word else (0, len(crops))
    meta = ClipMeta.unlabelled("", first, last)
    view = central_view(collate([(Shrink.for_recipe(recipe)(crops), meta)]), recipe)
    with torch.inference_mode():
        logits_1K = model(view.frames_BTHW, view.lengths_B, view.word_BT)
    check_finite(logits_1K, [str(video)], model=str(weights))
    best = logits_1K.softmax(1)[0].topk(min(top, len(card.labels)))
    return [
        (card.labels[index], float(share))
        for index, share in zip(best.indices.tolist(), best.values, strict=True)
    ]


def find_word(word: Span, frames: int) -> tuple[int, int]:
    """The frames [first, last) of a word, at least one; InputError if outside of the video."""
    start, end = word
    if not 0 <= start < end or round(start * FPS) >= frames or end > (frames + 1) / FPS:
        raise InputError(
            f"--word {start:g} {end:g}: START and END are seconds, in order, "
            f"within the video's {frames / FPS:g} s"
        )
    first = round(start * FPS)
    return first, max(first + 1, round(min(end, frames / FPS) * FPS))


def crop_options_of(preprocessing: dict[str, object], weights: Path, face: str = "") -> CropOptions:
    """How the model's training crops were made, from its card; `face` as for read_video."""
    if preprocessing.get("ready"):
        raise InputError(
            f"{weights} was trained on the precropped mouths of its corpus "
            f"({preprocessing.get('source', 'unknown')}); how they were cropped is not known, so "
            "no video can be read"
        )
    try:
        size, smooth, centre = (
            int(str(preprocessing[name])) for name in ("size", "smooth", "smooth_centre")
        )
        options = CropOptions(size=size, smooth=smooth, smooth_centre=centre, face=face)
    except (KeyError, ValueError) as error:
        raise InputError(f"{weights} does not contain how its crops were made: {error}") from None
    wanted = preprocessing.get("reference_face")
    if wanted != face_digest(face):
        given = face or "the package's"
        raise InputError(
            f"{weights} expects crops aligned to the reference face {wanted}, but {given} is "
            f"{face_digest(face)}: name its file with --face"
        )
    return options


def crop_video(video: Path, crops: CropOptions) -> NDArray[np.uint8]:
    """The mouth crops [T, size, size] of a video; InputError if it has no face."""
    options = LandmarkOptions()
    detector = DlibDetector(find_predictor(options.predictor))
    try:
        return crop_videos.crop_video(video, detector, crops=crops, landmarks=options).crops_THW
    except VideoError as error:
        raise InputError(f"{video} cannot be read: {error.reason} ({error.detail})") from None
