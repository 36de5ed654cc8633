"""The model as MLflow serves it: crops of its own size, and the word if the model needs it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lipnet.models.build import build_model
from lipnet.models.weights import ModelCard, load_card, save_weights
from lipnet.recipe import Recipe
from lipnet.spec import ModelSpec
from tracking.pyfunc import LipreaderModel, RequestError, describe_use


def serve(
    folder: Path, spec: str, *, size: int = 96, field: int = 88, context: int = -1
) -> LipreaderModel:
    recipe = Recipe(field=field, input_size=32)
    facts = {"size": size, **recipe.input_facts, "eval_context": context}
    card = ModelCard(spec, ["A", "B"], facts)
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
    with pytest.raises(ValueError, match=rf"^clip 0: .* \[T, {size}, {size}\], not \(5, 90, 90\)$"):
        served.predict(None, crops_of(90))


def test_a_boundary_model_needs_the_words_frames(tmp_path: Path) -> None:
    served = serve(tmp_path, "resnet18_0.125x + tcn_0.25x + boundary")
    for missing in (None, {"word_first": -1, "word_last": -1}, {"word_first": 3, "word_last": 9}):
        with pytest.raises(ValueError, match="must be the word's frames, 0 <= word_first"):
            served.predict(None, crops_of(96), missing)
    early = served.predict(None, crops_of(96), {"word_first": 0, "word_last": 2})
    late = served.predict(None, crops_of(96), {"word_first": 3, "word_last": 5})
    assert not np.array_equal(early["probability"], late["probability"])


def test_a_model_of_the_word_and_its_context_reads_these_frames_of_a_clip(tmp_path: Path) -> None:
    served = serve(tmp_path, "resnet18_0.125x + tcn_0.25x", context=1)
    clips = crops_of(96)
    word = served.predict(None, clips, {"word_first": 2, "word_last": 3})
    cut = served.predict(None, clips[:, 1:4])
    assert np.array_equal(word["probability"], cut["probability"])
    whole = [served.predict(None, clips, own) for own in (None, {"word_first": 0, "word_last": 5})]
    assert np.array_equal(whole[0]["probability"], whole[1]["probability"])
    assert not np.array_equal(word["probability"], whole[0]["probability"])
    with pytest.raises(ValueError, match="must be the word's frames"):
        served.predict(None, clips, {"word_first": 3, "word_last": 9})
    assert describe_use(load_card(tmp_path / "w.safetensors"))[0].params is not None


def as_mlflow_parses(clips: object) -> "np.ndarray[Any, Any]":
    """JSON by the server, with the model's signature."""
    return np.array(json.loads(json.dumps(clips)), dtype=object)


def test_one_clip_and_clips_of_different_lengths_are_read_as_each_alone(tmp_path: Path) -> None:
    served = serve(tmp_path, "resnet18_0.125x + tcn_0.25x")
    first, second = crops_of(96)
    clips = [first.tolist(), second[:3].tolist()]
    together = served.predict(None, as_mlflow_parses(clips))
    alone = [served.predict(None, as_mlflow_parses(clip)) for clip in clips]
    assert [len(found) for found in alone] == [1, 1]
    apart = [found["top5_probability"][0] for found in alone]
    assert np.allclose(together["top5_probability"].tolist(), apart, atol=1e-6)
    assert not together["rejected"].any()


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        ([1, 2], "^inputs have 1 dimensions: .*several"),
        ([], "^inputs have 1 dimensions"),
        ([[[0.5] * 96] * 96], "^clip 0: crops must be whole numbers of 0 to 255$"),
        ([[[256] * 96] * 96], "^clip 0: crops must be whole numbers of 0 to 255$"),
        ([[["a"] * 96] * 96], "^clip 0: crops must be whole numbers of 0 to 255$"),
        ([[[[1] * 96] * 96], [[[1] * 96] * 95]], r"^clip 1: .*not \(1, 95, 96\)$"),
        ([[[1] * 96] * 96, [[1] * 95] * 96], "^clip 0 has frames of different sizes$"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, clips: object, message: str) -> None:
    served = serve(tmp_path, "resnet18_0.125x + tcn_0.25x")
    with pytest.raises(RequestError, match=message) as refused:
        served.predict(None, as_mlflow_parses(clips))
    refused.value.message = f"Failed to predict data {clips}"  # as MLflow's server does
    answer = json.loads(refused.value.serialize_as_json())
    assert answer["message"] == str(refused.value)
    assert "\n" not in answer["message"]
    assert refused.value.get_http_status_code() == 400
