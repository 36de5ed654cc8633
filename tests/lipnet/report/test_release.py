"""Released models: half precision, a card with their origin, and limits."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from lipnet.cli.main import main
from lipnet.compress.compression import fit_compression
from lipnet.errors import InputError
from lipnet.export.onnx_file import write_onnx
from lipnet.how import How
from lipnet.inference.logits import read_logits
from lipnet.inference.onnx_reader import load_onnx
from lipnet.labels import BACKGROUND
from lipnet.lineage.generation import ONNX_FILE, read_generation
from lipnet.models.build import build_model
from lipnet.models.slimmable import Slimmable
from lipnet.models.spotting import Spotting, describe_spotting
from lipnet.models.weights import (
    STARTED_FROM,
    WIDTHS,
    ModelCard,
    copy_weights,
    load_card,
    load_model,
    save_packed,
    save_tensors,
    save_weights,
)
from lipnet.report import release, write
from lipnet.report.csv_rows import write_rows
from lipnet.report.front_matter import front_matter
from lipnet.report.release import describe_landmarks, release_model
from lipnet.report.results import read_results
from lipnet.report.rows import LeaderboardRow
from lipnet.report.saved import read_results_rows
from lipnet.report.study import Study
from lipnet.report.write import write_report
from lipnet.spec import ModelSpec
from tests.contract.imports import ROOT
from tests.lipnet.report.fabricated import LABELS, write_fake_figures
from tests.lipnet.single.exported import export_once
from tests.lipnet.video.making import FakeDetector, write_faces

RELEASED = ROOT / "data" / "released"
MODEL = "small-by-big-g1"
SPEC = ModelSpec.parse("shufflenetv2_0.5x + tcn_0.125x")


@pytest.fixture
def study(reported_study: Study, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setattr(write, "write_figures", write_fake_figures)
    study = reported_study
    torch.manual_seed(1)
    card = ModelCard(
        str(SPEC),
        sorted(LABELS),
        {"size": 96},
        {"model": MODEL, "fingerprint": _fingerprint(study)},
    )
    save_weights(_weights(study), build_model(SPEC, len(LABELS)), card)
    return study


def _fingerprint(study: Study) -> str:
    return read_generation(_weights(study).parent).fingerprint


def _weights(study: Study) -> Path:
    return study.lineage("small-by-big") / "g1" / "weights.safetensors"


@pytest.mark.slow
def test_a_released_model_is_the_same_in_half_the_bytes(study: Study, tmp_path: Path) -> None:
    path = release_model(study, MODEL, tmp_path / "released")
    assert path.name == f"fabricated-{MODEL}.safetensors"
    assert path.stat().st_size < 0.55 * _weights(study).stat().st_size
    (own, card), (released, released_card) = load_model(_weights(study)), load_model(path)
    assert released_card == card
    clips_BTHW = torch.randn(4, 29, 32, 32, generator=torch.Generator().manual_seed(2))
    lengths_B = torch.full((4,), 29)
    with torch.no_grad():
        first, second = (model(clips_BTHW, lengths_B, None) for model in (own, released))
    assert second.dtype == torch.float32
    assert torch.allclose(first, second, atol=0.02 * float(first.std()) + 1e-3)
    assert not torch.equal(first, second)
    assert "Before the rounding to half precision, by" in path.with_suffix(".md").read_text()


def test_the_card_of_weights_that_were_measured_in_half_precision_describes_the_file(
    study: Study, tmp_path: Path
) -> None:
    save_weights(_weights(study), *load_model(_weights(study)), half=True)
    path = release_model(study, MODEL, tmp_path / "released")
    text = path.with_suffix(".md").read_text()
    assert "MB in half precision." in text
    assert "Of this file, by the study" in text
    assert "Before the rounding" not in text
    assert "**Streams.**" not in text  # nothing was chosen for them
    assert "windows without a word" not in text


@pytest.mark.slow
def test_the_card_has_the_accuracy_of_words_apart_from_windows_without_one(
    study: Study, tmp_path: Path
) -> None:
    study.labels_file.write_text(json.dumps([BACKGROUND, *sorted(LABELS)[1:]]), encoding="utf-8")
    text = release_model(study, MODEL, tmp_path / "released").with_suffix(".md").read_text()
    saved = read_logits(study.logits("small-by-big", "g1", "test"))
    words_N = saved.labels > 0
    correct_N = saved.logits.argmax(axis=1) == saved.labels
    top1 = f"{100 * correct_N[words_N].mean():.1f}"
    assert f" {(~words_N).sum()} of the test clips are windows without a word; the " in text
    assert f" {words_N.sum()} words alone read {top1} % [" in text


@pytest.mark.slow
def test_the_card_states_what_validation_chose_for_streams(study: Study, tmp_path: Path) -> None:
    chosen = describe_spotting(Spotting(0.85, 0.12, 0.815, 2.66, 75)) | {STARTED_FROM: "begun-g0"}
    copy_weights(_weights(study), _weights(study), chosen)
    rows = [
        replace(row, training="scratch", teacher="", fit=row.fit and replace(row.fit, start="f"))
        for row in read_results_rows(study)
    ]
    write_rows(study.report / "results.csv", LeaderboardRow, rows)
    text = release_model(study, MODEL, tmp_path / "released").with_suffix(".md").read_text()
    assert (
        "**Streams.** A word is reported from probability 0.85 on, and at least 0.12 s after the "
        "last one, as validation chose: F1 0.81 and 2.7 false words per minute of silence on 75 "
        "sentences of validation.\n"
    ) in text
    assert f"`{MODEL}` (fine-tuned). Its training started from the weights of `begun-g0`." in text


@pytest.mark.slow
def test_a_released_network_of_several_widths_has_all_of_them(study: Study, tmp_path: Path) -> None:
    spec = ModelSpec.parse("resnet18_0.25x + tcn_0.0625x")
    origin = {"fingerprint": _fingerprint(study), WIDTHS: [1, 0.5]}
    card = ModelCard(str(spec), sorted(LABELS), {"size": 96}, origin)
    slimmable = Slimmable(build_model(spec, len(LABELS)), spec, (1, 0.5))
    save_tensors(_weights(study), slimmable.file_tensors(), card)
    path = release_model(study, MODEL, tmp_path / "released")
    assert path.stat().st_size < 0.55 * _weights(study).stat().st_size
    assert load_card(path) == card
    (own, own_card), (narrow, narrow_card) = (
        load_model(file, width=0.5) for file in (_weights(study), path)
    )
    assert narrow_card == own_card
    for name, tensor in own.state_dict().items():
        torch.testing.assert_close(narrow.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)


def test_a_packed_model_is_released_byte_for_byte(study: Study, tmp_path: Path) -> None:
    plain = _weights(study).with_name("plain.safetensors")
    _weights(study).rename(plain)
    model, card = load_model(plain)
    packed = fit_compression(How.parse("int4"), model).pack(model)
    origin = {**card.origin, "how": "int4"}
    save_packed(_weights(study), packed, replace(card, origin=origin))
    path = release_model(study, MODEL, tmp_path / "released")
    assert path.read_bytes() == _weights(study).read_bytes()
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    assert "MB packed, int4." in text
    assert "Of this file, by the study" in text
    assert "half precision" not in text
    assert "It was trained on clips of 29 frames (its file does not state other lengths)." in text


@pytest.mark.slow
def test_a_released_graph_is_read_evaluated_and_counted_as_weights_are(
    study: Study,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    weights, exported = export_once(tmp_path_factory)
    capsys.readouterr()  # what the export printed
    _, card, facts = load_onnx(exported)
    origin = {**card.origin, "how": "w8a8", "fingerprint": _fingerprint(study)}
    graph = _weights(study).with_name(ONNX_FILE)
    write_onnx(graph, exported.read_bytes(), replace(card, origin=origin), facts)
    path = release_model(study, MODEL, tmp_path / "released")
    assert path.name == f"fabricated-{MODEL}.onnx"
    assert path.read_bytes() == graph.read_bytes()
    assert "MB ONNX, w8a8." in path.with_suffix(".md").read_text(encoding="utf-8")
    for place in ("crop", "evaluate"):
        monkeypatch.setattr(f"lipnet.inference.{place}.shared_detector", lambda *_: FakeDetector())
    (tmp_path / "videos" / "A").mkdir(parents=True)
    video = tmp_path / "videos" / "A" / "0.mp4"
    write_faces(video, 6)
    found = []
    for file in (weights, path):
        main(["read", str(video), "--weights", str(file), "--json"])
        main(
            ["evaluate", str(file), "--source", "folder", "--root", str(video.parents[1]), "--json"]
        )
        main(["cost", str(file), "--json"])
        found.append([json.loads(line) for line in capsys.readouterr().out.splitlines()])
    (read, evaluated, cost), (own_read, own_evaluated, own_cost) = found
    for one, other in zip(read["answers"], own_read["answers"], strict=True):
        assert one["label"] == other["label"]
        assert abs(one["probability"] - other["probability"]) <= 1e-4
    assert (evaluated["clips"], evaluated["top1"]) == (1, own_evaluated["top1"])
    assert own_cost["gflops"] == cost["gflops"]


@pytest.mark.slow
def test_the_card_has_licence_lineage_and_accuracy(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["release", str(study.root), MODEL, "--out", str(tmp_path / "released")])
    assert "MB, card in" in capsys.readouterr().out
    text = (tmp_path / "released" / f"fabricated-{MODEL}.md").read_text(encoding="utf-8")
    assert "CC BY 4.0" in text
    assert "distilled from `big-g1` (resnet18_0.25x + tcn_0.25x" in text
    assert "distilled from `big-g0`" in text
    assert "One speaker is in all splits" in text
    entry = read_results(study).entry(MODEL)
    for split in ("val", "test", "unseen"):
        value = entry.outcomes[split].top1.value
        assert f"| {split} |" in text
        assert f" {100 * value:.1f} [" in text
    weights = (tmp_path / "released" / f"fabricated-{MODEL}.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() in text


@pytest.mark.slow
def test_a_model_that_cannot_be_released_is_refused(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "released"
    with pytest.raises(InputError, match="no model 'nobody'; it has: big-g0"):
        release_model(study, "nobody", place)
    write_report(study, {"source": "folder"})
    with pytest.raises(InputError, match=r"its licence with --data"):
        release_model(study, MODEL, place)
    monkeypatch.setattr(release, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match="choose a smaller one"):
        release_model(study, MODEL, place, attribution="My own films.")
    monkeypatch.undo()
    card = ModelCard(str(SPEC), sorted(LABELS), {"size": 96}, {"fingerprint": "of another"})
    save_weights(_weights(study), build_model(SPEC, len(LABELS)), card)
    with pytest.raises(InputError, match=r"is not what its generation\.json describes"):
        release_model(study, MODEL, place, attribution="My own films.")
    assert list(place.iterdir()) == []


def test_a_weight_beyond_half_precision_is_refused(tmp_path: Path) -> None:
    model = build_model(SPEC, 2)
    with torch.no_grad():
        model.classifier.bias[0] = 1e6
    path = tmp_path / "model.safetensors"
    with pytest.raises(InputError, match=r"classifier\.bias is out of the range"):
        save_weights(path, model, ModelCard(str(SPEC), ["a", "b"], {}), half=True)
    assert not path.exists()


def test_the_card_has_metadata_for_the_hub() -> None:
    lines = front_matter("study-model-g1", "grid", {"val": 0.8276, "test": 0.84})
    assert lines[0] == lines[-1] == "---"
    found = yaml.safe_load("\n".join(lines[1:-1]))
    assert found["license"] == "mit"
    assert found["pipeline_tag"] == "video-classification"
    (model,) = found["model-index"]
    values = {own["dataset"]["split"]: own["metrics"][0]["value"] for own in model["results"]}
    assert (model["name"], values) == ("study-model-g1", {"val": 0.828, "test": 0.84})


def test_weights_of_an_unknown_corpus_claim_no_licence() -> None:
    assert "license: other" in front_matter("m", "folder", {})


@pytest.mark.parametrize("card", sorted(RELEASED.glob("*.md")), ids=lambda card: card.stem)
def test_a_released_card_begins_with_its_metadata(card: Path) -> None:
    _, head, text = card.read_text(encoding="utf-8").split("---\n", 2)
    found = yaml.safe_load(head)
    assert found["model-index"][0]["name"] == card.stem
    accuracies = {
        own["dataset"]["split"]: own["metrics"][0]["value"]
        for own in found["model-index"][0]["results"]
    }
    for split, value in accuracies.items():
        assert re.search(rf"^\| {split} \| \d+ \| {100 * value:.1f} \[", text, re.MULTILINE)


def test_the_card_states_the_terms_of_the_landmark_model() -> None:
    assert describe_landmarks({"landmarks": "mesh"}) == (
        " Landmarks: MediaPipe's face mesh (Apache 2.0)."
    )
    assert "exclude commercial use" in describe_landmarks({})  # of an earlier version
    assert describe_landmarks({"ready": True}) == ""
