"""The model as MLflow serves it: crops of its own size, and the word if the model needs it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lipnet.models.build import build_model
from lipnet.models.weights import ModelCard, save_weights
from lipnet.recipe import Recipe
from lipnet.spec import ModelSpec
from tracking.pyfunc import LipreaderModel


def serve(folder: Path, spec: str, *, size: int = 96, field: int = 88) -> LipreaderModel:
    recipe = Recipe(field=field, input_size=32)
    card = ModelCard(spec, ["A", "B"], {"size": size, **recipe.input_facts})
    save_weights(folder / "w.safetensors", build_model(ModelSpec.parse(spec), 2), card)
    served = LipreaderModel()
    served.load_context(SimpleNamespace(artifacts={"weights": str(folder / "w.safetensors")}))
    return served


def crops_of(size: int) -> "np.ndarray[Any, Any]":
    return np.random.default_rng(1).integers(0, 255, (2, 5, size, size), np.uint8)


@pytest.mark.parametrize(("size", "field"), [(96, 88), (122, 112)])
def test_crops_have_the_size_that_the_model_was_trained_on(
    tmp_path: Path, size: int, field: int
) -> None:
    served = serve(tmp_path, "resnet18_0.125x + tcn_0.25x", size=size, field=field)
    assert len(served.predict(None, crops_of(size))) == 2
    with pytest.raises(ValueError, match=rf"\[N, T, {size}, {size}\], not \(2, 5, 90, 90\)"):
        served.predict(None, crops_of(90))


def test_a_boundary_model_needs_the_words_frames(tmp_path: Path) -> None:
    served = serve(tmp_path, "resnet18_0.125x + tcn_0.25x + boundary")
    for missing in (None, {"word_first": -1, "word_last": -1}, {"word_first": 3, "word_last": 9}):
        with pytest.raises(ValueError, match="needs the word's frames, 0 <= word_first"):
            served.predict(None, crops_of(96), missing)
    early = served.predict(None, crops_of(96), {"word_first": 0, "word_last": 2})
    late = served.predict(None, crops_of(96), {"word_first": 3, "word_last": 5})
    assert not np.array_equal(early["probability"], late["probability"])
