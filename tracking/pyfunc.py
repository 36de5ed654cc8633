"""The model as MLflow serves it: mouth crops in, words out, from the safetensors file.

Input: grey crops of one clip [T, S, S], or of N clips [N, T, S, S] that may differ in T; whole
numbers of 0 to 255 at 25 fps, cut as the model card describes (S is 96, for LRW-1000's own crops
122). `lipnet crop --request` writes such a request. A model with "boundary" in its spec also needs
the parameters word_first and word_last: the word's frames, the last one excluded, the same for all
clips. A model that was evaluated on the word and some context takes them too, and reads the whole
clip without them. Output: one row per clip: label, probability, top5 (labels, the most likely
first), top5_probability, rejected (whether the probability is below the model's threshold). MLflow
runs this file when it loads the model, with the copy of lipnet's modules that is next to it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature, set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array
from numpy.typing import NDArray

from lipnet.data.augment import central_view
from lipnet.data.batch import collate
from lipnet.data.shrink import Shrink
from lipnet.errors import InputError
from lipnet.inference.clip_model import load_clip_model
from lipnet.inference.finite import check_finite
from lipnet.models.infer import infer_clips
from lipnet.models.weights import ModelCard
from lipnet.recipe import Recipe
from lipnet.shards.meta import ClipMeta
from lipnet.spec import ModelSpec

# N clips  T frames  H W pixels  K classes
BATCH = 32
Crops = NDArray[np.uint8]  # [T, S, S]


class RequestError(MlflowException, InputError):
    """A request that cannot be answered, as one line.

    MLflow's server would put the whole input before the message of an exception, and the traceback
    after the message of one that is not its own: so the message cannot be replaced.
    """

    def __init__(self, message: str) -> None:
        self._message = message
        super().__init__(message, error_code=INVALID_PARAMETER_VALUE)

    @property
    def message(self) -> str:
        return self._message

    @message.setter
    def message(self, value: str) -> None:
        return


class LipreaderModel(PythonModel):
    """A trained lipreader behind MLflow's predict."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read weights, labels and preprocessing from the one file."""
        self.network, card = load_clip_model(context.artifacts["weights"])
        self.labels = list(card.labels)
        self.rejection = card.rejection
        self.recipe = Recipe.for_input(card.preprocessing)
        self.uses_word = uses_word(card)
        self.size = int(str(card.preprocessing["size"]))

    def predict(
        self,
        context: PythonModelContext,
        model_input: np.ndarray,  # MLflow warns of NDArray[np.uint8]
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """One row per clip; RequestError for crops or a word that cannot be used."""
        try:
            clips = [
                read_crops(clip, self.size, number)
                for number, clip in enumerate(split_clips(model_input))
            ]
            words = [self._find_word(params or {}, len(crops_THW)) for crops_THW in clips]
            batches = range(0, len(clips), BATCH)
            logits_NK = torch.cat(
                [self._classify(clips[i : i + BATCH], words[i : i + BATCH]) for i in batches]
            )
            names = [f"clip {number}" for number in range(len(clips))]
            check_finite(logits_NK, names, model="the model")
        except InputError as error:
            raise RequestError(str(error)) from None
        probabilities_NK = torch.softmax(logits_NK, dim=1)
        best, order = probabilities_NK.topk(min(5, len(self.labels)))
        top5 = [[self.labels[k] for k in row] for row in order.tolist()]
        probabilities = best[:, 0].double().tolist()
        chosen = self.rejection
        return pd.DataFrame(
            {
                "label": [row[0] for row in top5],
                "probability": probabilities,
                "top5": top5,
                "top5_probability": best.double().tolist(),
                "rejected": [chosen is not None and chosen.rejects(p) for p in probabilities],
            }
        )

    def _find_word(self, params: dict[str, Any], steps: int) -> tuple[int, int]:
        first, last = int(params.get("word_first", -1)), int(params.get("word_last", -1))
        is_given = (first, last) != (-1, -1)
        if not self.uses_word or not (is_given or self.network.boundary):
            return 0, steps
        if not 0 <= first < last <= steps:
            raise InputError(
                f"word_first {first}, word_last {last}: these must be the word's frames, "
                f"0 <= word_first < word_last <= {steps}"
            )
        return first, last

    def _classify(self, clips: Sequence[Crops], words: Sequence[tuple[int, int]]) -> torch.Tensor:
        shrink = Shrink.for_recipe(self.recipe)
        samples = [
            (shrink(crops_THW), ClipMeta.unlabelled("", *word))
            for crops_THW, word in zip(clips, words, strict=True)
        ]
        view = central_view(collate(samples), self.recipe)
        with torch.inference_mode():
            return infer_clips(self.network, view.frames_BTHW, view.lengths_B, view.word_BT)


def split_clips(model_input: Any) -> list[Any]:
    """The clips of an input, which may be one; InputError for any other number of dimensions.

    MLflow passes JSON as an array of objects, in which clips of different lengths are lists.
    """
    is_objects = isinstance(model_input, np.ndarray) and model_input.dtype == object
    given = model_input.tolist() if is_objects else model_input
    depth, first = 0, given
    while isinstance(first, list | tuple) and first:
        depth, first = depth + 1, first[0]
    depth += np.ndim(first)
    if depth == 3:
        return [given]
    if depth != 4 or not len(given):
        raise InputError(
            f"inputs have {depth} dimensions: they are one clip [T, S, S] or several [N, T, S, S]"
        )
    return list(given)


def read_crops(clip: Any, size: int, number: int) -> Crops:
    """One clip's crops [T, size, size]; InputError unless they are whole numbers of 0 to 255."""
    try:
        crops_THW = np.asarray(clip)
    except ValueError:
        raise InputError(f"clip {number} has frames of different sizes") from None
    if crops_THW.ndim != 3 or not crops_THW.size or crops_THW.shape[1:] != (size, size):
        raise InputError(f"clip {number}: crops must be [T, {size}, {size}], not {crops_THW.shape}")
    if crops_THW.dtype.kind not in "iu" or crops_THW.min() < 0 or crops_THW.max() > 255:
        raise InputError(f"clip {number}: crops must be whole numbers of 0 to 255")
    return np.ascontiguousarray(crops_THW, dtype=np.uint8)


def uses_word(card: ModelCard) -> bool:
    """Whether the word's frames change what the model reads."""
    context = Recipe.for_input(card.preprocessing).eval_context
    return ModelSpec.parse(card.spec).boundary or context >= 0


def describe_use(card: ModelCard) -> tuple[ModelSignature, NDArray[np.uint8]]:
    """This model's signature, as the module's docstring describes it, and an input example."""
    size = int(str(card.preprocessing["size"]))
    # Clips may have different lengths, which only an array of objects can hold.
    crops = Schema([TensorSpec(np.dtype(np.object_), (-1,))])
    words = Schema(
        [
            ColSpec(DataType.string, "label"),
            ColSpec(DataType.double, "probability"),
            ColSpec(Array(DataType.string), "top5"),
            ColSpec(Array(DataType.double), "top5_probability"),
            ColSpec(DataType.boolean, "rejected"),
        ]
    )
    signature = ModelSignature(crops, words)
    if uses_word(card):
        names = ("word_first", "word_last")
        word = ParamSchema([ParamSpec(name, DataType.long, -1) for name in names])
        signature = ModelSignature(crops, words, word)
    return signature, np.zeros((1, 2, size, size), np.uint8)


set_model(LipreaderModel())
