"""Conditions on shards: the numbers of the pipeline's own predictions, and mistakes as one line."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lipnet.data.loader import open_split
from lipnet.data.shrink import Shrink
from lipnet.errors import InputError
from lipnet.inference.conditions import ROBUSTNESS, vary_context
from lipnet.inference.evaluate_shards import evaluate_shards
from lipnet.inference.predict import predict_logits
from lipnet.models.weights import load_model
from tests.lipnet.inference.embedding import RECIPE, write_shards, write_weights


@pytest.mark.slow
def test_contexts_have_the_accuracy_that_the_pipeline_predicts(tmp_path: Path) -> None:
    weights, shards = write_weights(tmp_path / "w.safetensors"), write_shards(tmp_path / "shards")
    contexts = [0, 1, -1]
    found = evaluate_shards(weights, shards, "test", [*vary_context(contexts), ROBUSTNESS[0]])
    clips = open_split(shards, "test", shrink=Shrink.for_recipe(RECIPE))
    for context, own in zip([-1, *contexts], [found, *found.conditions], strict=False):
        recipe = replace(RECIPE, eval_context=context)
        model, _ = load_model(weights)
        logits_NK, labels_N = predict_logits(model, clips, recipe, device=torch.device("cpu"))
        right_N = (logits_NK.argmax(1) == labels_N).numpy()
        assert own.top1.value == right_N.mean()
        assert own.top1.clips == len(labels_N) == 5
    assert found.frames == np.mean([3, 4, 5, 6, 7])
    whole = found.conditions[2].difference  # reads the same frames
    assert (whole.value, whole.low, whole.high) == (0, 0, 0)
    assert [own.kind for own in found.conditions] == ["context"] * 3 + ["change"]


def test_other_splits_and_crops_are_refused(tmp_path: Path) -> None:
    weights, shards = write_weights(tmp_path / "w.safetensors"), write_shards(tmp_path / "shards")
    with pytest.raises(InputError, match="no shards in"):
        evaluate_shards(weights, shards, "unseen", [])
    other = write_weights(tmp_path / "o.safetensors", smooth=1)
    with pytest.raises(InputError, match="was trained on crops of smooth 1"):
        evaluate_shards(other, shards, "test", [])
    renamed = write_weights(tmp_path / "r.safetensors", labels=["A", "B", "D"])
    with pytest.raises(InputError, match="other labels"):
        evaluate_shards(renamed, shards, "test", [])
