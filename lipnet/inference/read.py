"""From video files to words: the preprocessing of training data, then a model, clip by clip."""
# T frames  H W pixels  K classes

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lipnet.clip import FPS
from lipnet.crops.align import STABLE, face_digest
from lipnet.crops.crop import DEFAULT_FACTS, LANDMARKS, CropOptions, parse_crops
from lipnet.data.augment import central_view
from lipnet.data.batch import collate
from lipnet.data.shrink import Shrink
from lipnet.errors import InputError
from lipnet.inference import crop as cropping
from lipnet.inference.clip_model import (
    ClipModel,
    Leave,
    load_clip_model,
    load_early_model,
)
from lipnet.inference.finite import check_finite
from lipnet.landmark_names import LANDMARK_MODELS
from lipnet.landmarks.options import LandmarkOptions
from lipnet.models.weights import ModelCard
from lipnet.recipe import Recipe
from lipnet.shards.meta import ClipMeta
from lipnet.video.decode import VideoError

Span = tuple[float, float]  # seconds from the video's start
Answer = tuple[str, float]  # a label and its probability


@dataclass(frozen=True)
class Reading:
    """What was read from one clip: the most likely labels with their probabilities, best first.

    `rejected`: the best probability is below the model's threshold, so none of its labels counts
    as read. `frames` is the number of frames that were read; `warning` is a sentence if the model
    was not trained on clips of that length, else empty.
    """

    answers: Sequence[Answer]
    rejected: bool = False
    frames: int = 0
    warning: str = ""

    @property
    def label(self) -> str | None:
        """The most likely label, None if rejected."""
        return None if self.rejected else self.answers[0][0]


class Reader:
    """A model that stays loaded, and reads videos or crops of one word each.

    `weights` is a weights file or an exported .onnx; `face` the file of the reference face that
    the model's crops were aligned to, empty for the package's; `landmarks` the landmark model that
    finds the mouth, empty for that of the model's training crops. `reject_below` is the probability
    below which no label counts as read; None takes the weights file's, which validation chose, if
    it has one. Of a network of several widths or with exits, `budget`, in GFLOPs per clip, or
    `battery` chooses a part (`choose_part`), which has no threshold unless it is the whole. With
    `leave`, clips that are sure at an exit leave the whole network there, and there is no threshold
    either.
    InputError if the weights cannot be used.

        >>> reader = lipnet.Reader("weights.safetensors")
        >>> for video in videos:
        ...     print(video, reader.read(video).label)
    """

    def __init__(
        self,
        weights: Path | str,
        *,
        face: str = "",
        landmarks: str = "",
        reject_below: float | None = None,
        budget: float | None = None,
        battery: str | None = None,
        leave: Leave | None = None,
    ) -> None:
        self._weights, self._face = Path(weights), face
        self._model, self.card = _load(self._weights, budget, battery, leave)
        self.landmarks = find_landmarks(self.card.preprocessing, self._weights, landmarks)
        self._recipe = Recipe.for_input(self.card.preprocessing)
        if reject_below is not None and not 0 <= reject_below <= 1:
            raise InputError(f"reject_below {reject_below}: a probability, 0 to 1")
        self.reject_below = reject_below
        if reject_below is None and self.card.rejection is not None:
            self.reject_below = self.card.rejection.below

    @property
    def warning(self) -> str:
        """A sentence if the model was trained on crops by another landmark model, else empty."""
        return describe_landmarks(self.card.preprocessing, self.landmarks)

    @property
    def labels(self) -> Sequence[str]:
        """All labels that the model knows."""
        return self.card.labels

    def read(self, video: Path | str, *, top: int = 5, word: Span | None = None) -> Reading:
        """The `top` most likely labels of a video of one word.

        `word` is the span of the word, for models that take word boundaries or are evaluated on
        the word and its context. InputError if the former miss it or the video shows no face.
        """
        video = Path(video)
        self.check_request(top, word)
        options = crop_options_of(self.card.preprocessing, self._weights, self._face)
        crops_THW = crop_video(video, options, self.landmarks)
        frames = find_word(word, len(crops_THW)) if word else None
        return self._read(crops_THW, str(video), frames, top)

    def read_crops(
        self,
        crops_THW: NDArray[np.uint8],
        *,
        top: int = 5,
        word_frames: tuple[int, int] | None = None,
    ) -> Reading:
        """The same for crops of one word, [T, size, size] as `crop_video` cuts them.

        `word_frames` are the word's first frame and the one after its last.
        """
        self.check_request(top, word_frames)
        size = self.card.preprocessing.get("size")
        if crops_THW.dtype != np.uint8 or crops_THW.ndim != 3 or not crops_THW.size:
            raise InputError(f"crops are {crops_THW.dtype} {crops_THW.shape}, not uint8 [T, H, W]")
        if crops_THW.shape[1:] != (size, size):
            raise InputError(f"crops of {crops_THW.shape[1:]} pixels: this model needs {size}")
        first, last = word_frames or (0, len(crops_THW))
        if not 0 <= first < last <= len(crops_THW):
            raise InputError(
                f"word_frames {first}, {last}: in order, within the clip's {len(crops_THW)} frames"
            )
        return self._read(crops_THW, "the clip", word_frames, top)

    def check_request(self, top: int, word: Span | None) -> None:
        """InputError for no word at all, or a span that is missing or not used."""
        if top < 1:
            raise InputError(f"--top must be at least 1, not {top}")
        named = f"{self._weights} ({self.card.spec})"
        if self._model.boundary and word is None:
            raise InputError(f"{named} needs the span of the word: --word START END (seconds)")
        if word is not None and not self._uses_word:
            raise InputError(f"{named} does not use the span of the word: leave out --word")

    @property
    def _uses_word(self) -> bool:
        return self._model.boundary or self._recipe.eval_context >= 0

    def _read(
        self, crops_THW: NDArray[np.uint8], name: str, frames: tuple[int, int] | None, top: int
    ) -> Reading:
        first, last = frames or (0, len(crops_THW))
        meta = ClipMeta.unlabelled("", first, last)
        shrink = Shrink.for_recipe(self._recipe)
        view = central_view(collate([(shrink(crops_THW), meta)]), self._recipe)
        with torch.inference_mode():
            logits_1K = self._model(view.frames_BTHW, view.lengths_B, view.word_BT)
        check_finite(logits_1K, [name], model=str(self._weights))
        best = logits_1K.softmax(1)[0].topk(min(top, len(self.labels)))
        answers = [
            (self.labels[index], float(share))
            for index, share in zip(best.indices.tolist(), best.values, strict=True)
        ]
        below, read = self.reject_below, int(view.lengths_B[0])
        return Reading(
            answers,
            rejected=below is not None and answers[0][1] < below,
            frames=read,
            warning=self._find_fault(read, given=frames is not None),
        )

    def _find_fault(self, frames: int, *, given: bool) -> str:
        """A sentence if the model was not trained on that many frames; `given`: the word's are."""
        fault = self.card.lengths.find_fault(frames)
        if fault and self._uses_word and not given:
            fault += "; --word START END gives the span of the word"
        return fault


def _load(
    weights: Path, budget: float | None, battery: str | None, leave: Leave | None
) -> tuple[ClipModel, ModelCard]:
    if leave is None:
        return load_clip_model(weights, budget=budget, battery=battery)
    if budget is not None or battery is not None:
        raise InputError("clips leave the whole network early: leave out the budget or the battery")
    return load_early_model(weights, leave)


def read_video(
    video: Path | str,
    weights: Path | str,
    *,
    top: int = 5,
    word: Span | None = None,
    face: str = "",
) -> list[Answer]:
    """The `top` most likely labels of one video, as `Reader.read`; for many, keep a Reader.

    >>> lipnet.read_video("word.mp4", "weights.safetensors", top=2)
    [('BLUE', 0.81), ('BY', 0.07)]
    """
    return list(Reader(weights, face=face).read(video, top=top, word=word).answers)


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
    """How the model's training crops were made, from its card; `face` as for Reader."""
    if preprocessing.get("ready"):
        raise InputError(
            f"{weights} was trained on the precropped mouths of its corpus "
            f"({preprocessing.get('source', 'unknown')}); how they were cropped is not known, so "
            "no video can be read"
        )
    trained = find_landmarks(preprocessing, weights)
    try:
        options = parse_crops(preprocessing, face=face).for_landmarks(trained)
    except ValueError as error:
        raise InputError(f"{weights} does not contain how its crops were made: {error}") from None
    _check_reading(preprocessing, options, weights)
    wanted = preprocessing.get("reference_face")
    found = face_digest(options.face)
    if wanted != found:
        given = face or "the package's"
        raise InputError(
            f"{weights} expects crops aligned to the reference face {wanted}, but {given} is "
            f"{found}: name its file with --face"
        )
    return options


def find_landmarks(facts: Mapping[str, object], weights: Path, wanted: str = "") -> str:
    """The landmark model to read with: `wanted`, or else that of the model's training crops.

    InputError for one that this version does not have.
    """
    name = wanted or facts.get(LANDMARKS, DEFAULT_FACTS[LANDMARKS])
    if name not in LANDMARK_MODELS:
        raise InputError(
            f"{weights} needs crops by the landmark model {name}, which this version does not "
            f"have; known: {', '.join(LANDMARK_MODELS)}"
        )
    return str(name)


def describe_landmarks(facts: Mapping[str, object], used: str) -> str:
    """A sentence if the model was trained on crops by another landmark model, else empty."""
    trained = facts.get(LANDMARKS, DEFAULT_FACTS[LANDMARKS])
    if used == trained:
        return ""
    return (
        f"the mouth was found by the landmark model {used}, but this model was trained on crops "
        f"by {trained}: its accuracy may differ"
    )


def _check_reading(facts: Mapping[str, object], options: CropOptions, weights: Path) -> None:
    """InputError if the card states another rate, alignment or size than videos are read with."""
    fixed: dict[str, object] = {"fps": FPS, "stable_points": list(STABLE)}
    for name, ours in fixed.items():
        if facts.get(name, ours) != ours:
            raise InputError(
                f"{weights} was trained on clips of {name} {facts[name]}, and videos are read with "
                f"{ours}: its logits would mean nothing"
            )
    needed = Recipe.for_known_input(facts).stored_field if "field" in facts else 0
    if options.size < needed:
        raise InputError(
            f"{weights} states crops of {options.size} pixels, and that {needed} of them are used"
        )


def crop_video(video: Path, crops: CropOptions, landmarks: str) -> NDArray[np.uint8]:
    """The mouth crops [T, size, size] of a video; InputError if it has no face."""
    options = LandmarkOptions(model=landmarks)
    try:
        return cropping.crop_video(video, crops=crops, landmarks=options).crops_THW
    except VideoError as error:
        raise InputError(f"{video} cannot be read: {error.reason} ({error.detail})") from None
