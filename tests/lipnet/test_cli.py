"""The command lipnet: figures of a spec, words of a video, and clear errors."""

import json
from pathlib import Path

import pytest
import torch

from lipnet.cli import main
from lipnet.data.cut import describe_crops
from lipnet.models.build import build_model
from lipnet.models.weights import ModelCard, save_weights
from lipnet.spec import ModelSpec
from lipnet.train.recipe import Recipe
from lipnet.video.crop import CropOptions

SPEC = "resnet18_0.125x + tcn_0.25x"


def test_cost_prints_the_figures_of_a_spec(capsys: pytest.CaptureFixture[str]) -> None:
    main(["cost", SPEC, "--classes", "12", "--size", "32", "--json"])
    figures = json.loads(capsys.readouterr().out)
    assert figures["spec"] == SPEC
    assert figures["params"] == build_params()
    assert 0 < figures["latency_ms_p50"] <= figures["latency_ms_p95"]


def build_params() -> int:
    model = build_model(ModelSpec.parse(SPEC), 12)
    return sum(parameter.numel() for parameter in model.parameters())


def test_an_unknown_spec_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="error: .*resnet18"):
        main(["cost", "resnet19 + tcn_1x"])


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    model = build_model(ModelSpec.parse(SPEC), 3)
    crops = describe_crops(CropOptions())
    facts = {"fps": 25.0, **crops, **Recipe(field=60, input_size=32).input_facts}
    card = ModelCard(SPEC, ["a", "b", "c"], facts, {"model": "x-g0"})
    save_weights(tmp_path / "w.safetensors", model, card)
    return tmp_path / "w.safetensors"


@pytest.mark.slow
def test_read_gives_the_likeliest_words_of_a_real_video(
    weights: Path, grid_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = next(iter(sorted((grid_root / "s2").glob("*.mpg"))))
    main(["read", str(video), "--weights", str(weights), "--json"])
    answers = json.loads(capsys.readouterr().out)
    assert {answer["label"] for answer in answers} == {"a", "b", "c"}
    assert sum(answer["probability"] for answer in answers) == pytest.approx(1, abs=1e-5)


def test_a_video_that_is_none_is_one_line(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_bytes(b"")
    with pytest.raises(SystemExit, match=r"no\.mp4 cannot be read: zero_bytes"):
        main(["read", str(tmp_path / "no.mp4"), "--weights", str(weights)])
