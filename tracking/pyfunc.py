"""The model as MLflow serves it: mouth crops in, words out, from the safetensors file.

Input: uint8 grey crops [N, T, S, S], N clips of one length at 25 fps, cut as the model card
describes (S is 96, for LRW-1000's own crops 122). A model with "boundary" in its spec also needs
the parameters word_first and word_last: the word's frames, the last one excluded, the same for all
clips. Output: one row per clip: label, probability, top5 (labels, the most likely first),
top5_probability. MLflow runs this file when it loads the model, with the copy of lipnet in it.
"""

from typing import Any

import numpy as np
import pandas as pd
import torch
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array
from numpy.typing import NDArray

from lipnet.data.augment import central_view
from lipnet.data.batch import ClipBatch
from lipnet.data.shrink import Shrink
from lipnet.inference.finite import check_finite
from lipnet.models.fold import fold_batchnorm
from lipnet.models.infer import infer_clips
from lipnet.models.weights import ModelCard, load_model
from lipnet.recipe import Recipe
from lipnet.spec import ModelSpec

# N clips  B batch  T frames  H W pixels  K classes
BATCH = 32


class LipreaderModel(PythonModel):
    """A trained lipreader behind MLflow's predict."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read weights, labels and preprocessing from the one file."""
        model, card = load_model(context.artifacts["weights"])
        self.network = fold_batchnorm(model)
        self.labels = list(card.labels)
        self.recipe = Recipe.for_input(card.preprocessing)
        self.size = int(str(card.preprocessing["size"]))

    def predict(
        self,
        context: PythonModelContext,
        model_input: np.ndarray,  # MLflow warns of NDArray[np.uint8]
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """One row per clip; clips of different lengths need separate calls."""
        crops_NTHW = np.ascontiguousarray(model_input, dtype=np.uint8)
        if crops_NTHW.ndim != 4 or not crops_NTHW.size or set(crops_NTHW.shape[2:]) != {self.size}:
            raise ValueError(
                f"crops must be uint8 [N, T, {self.size}, {self.size}], not {crops_NTHW.shape}"
            )
        word = self._find_word(params or {}, crops_NTHW.shape[1])
        batches = [crops_NTHW[i : i + BATCH] for i in range(0, len(crops_NTHW), BATCH)]
        logits_NK = torch.cat([self._classify(crops_BTHW, word) for crops_BTHW in batches])
        names = [f"clip {number}" for number in range(len(crops_NTHW))]
        check_finite(logits_NK, names, model="the model")
        probabilities_NK = torch.softmax(logits_NK, dim=1)
        best, order = probabilities_NK.topk(min(5, len(self.labels)))
        top5 = [[self.labels[k] for k in row] for row in order.tolist()]
        return pd.DataFrame(
            {
                "label": [row[0] for row in top5],
                "probability": best[:, 0].double().numpy(),
                "top5": top5,
                "top5_probability": best.double().tolist(),
            }
        )

    def _find_word(self, params: dict[str, Any], steps: int) -> tuple[int, int]:
        if not self.network.boundary:
            return 0, steps
        first, last = int(params.get("word_first", -1)), int(params.get("word_last", -1))
        if not 0 <= first < last <= steps:
            raise ValueError(
                f"word_first {first}, word_last {last}: this model needs the word's frames, "
                f"0 <= word_first < word_last <= {steps}"
            )
        return first, last

    def _classify(self, crops_BTHW: NDArray[np.uint8], word: tuple[int, int]) -> torch.Tensor:
        small = [Shrink.for_recipe(self.recipe)(crops_THW) for crops_THW in crops_BTHW]
        frames_BTHW = torch.from_numpy(np.stack(small))
        size, steps = frames_BTHW.shape[:2]
        lengths_B = torch.full((size,), steps)
        words_B2 = torch.tensor([word]).expand(size, 2)
        batch = ClipBatch(frames_BTHW, lengths_B, torch.zeros_like(lengths_B), words_B2)
        view = central_view(batch, self.recipe)
        with torch.inference_mode():
            return infer_clips(self.network, view.frames_BTHW, view.lengths_B, view.word_BT)


def describe_use(card: ModelCard) -> tuple[ModelSignature, NDArray[np.uint8]]:
    """This model's signature, as the module's docstring describes it, and an input example."""
    size = int(str(card.preprocessing["size"]))
    crops = Schema([TensorSpec(np.dtype(np.uint8), (-1, -1, size, size))])
    words = Schema(
        [
            ColSpec(DataType.string, "label"),
            ColSpec(DataType.double, "probability"),
            ColSpec(Array(DataType.string), "top5"),
            ColSpec(Array(DataType.double), "top5_probability"),
        ]
    )
    signature = ModelSignature(crops, words)
    if ModelSpec.parse(card.spec).boundary:
        names = ("word_first", "word_last")
        word = ParamSchema([ParamSpec(name, DataType.long, -1) for name in names])
        signature = ModelSignature(crops, words, word)
    return signature, np.zeros((1, 2, size, size), np.uint8)


set_model(LipreaderModel())
