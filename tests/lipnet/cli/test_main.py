"""The command lipnet: figures of a spec, words of a video, and clear errors."""

import errno
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lipnet.cli.main import main
from lipnet.crops.align import load_face
from lipnet.crops.crop import CropOptions, describe_crops
from lipnet.cutting.precropped import describe_precropped
from lipnet.errors import InputError
from lipnet.inference.read import crop_options_of, find_word
from lipnet.models.build import build_model
from lipnet.models.lengths import Lengths, describe_lengths
from lipnet.models.rejection import Rejection, describe_rejection
from lipnet.models.weights import ModelCard, load_card, save_weights
from lipnet.recipe import Recipe
from lipnet.spec import ModelSpec
from tests.lipnet.video.making import FakeDetector, write_faces

Printed = pytest.CaptureFixture[str]
SPEC = "resnet18_0.125x + tcn_0.25x"


def test_cost_prints_the_figures_of_a_spec(capsys: pytest.CaptureFixture[str]) -> None:
    main(["cost", SPEC, "--classes", "12", "--size", "32", "--json"])
    figures = json.loads(capsys.readouterr().out)
    keys = "spec params params_m gflops gmacs latency_ms_p50 latency_ms_p95"
    assert list(figures) == keys.split()
    assert figures["spec"] == SPEC
    assert figures["params"] == build_params() == round(1e6 * figures["params_m"])
    assert 0 < figures["gmacs"] < figures["gflops"]
    assert 0 < figures["latency_ms_p50"] <= figures["latency_ms_p95"]


def test_cost_prints_memory_and_threads_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    main(["cost", SPEC, "--classes", "12", "--frames", "3", "--size", "32"])
    title, clip, _, *lines = capsys.readouterr().out.splitlines()
    assert (title, clip) == (SPEC, "one clip of 3 frames, 32 x 32; 12 classes")
    output = {line.split()[0]: line.split()[1] for line in lines}
    assert output["params"] == f"{build_params():,}"
    assert int(output["weight_bytes"].replace(",", "")) > 4 * build_params()
    assert int(output["peak_activation_bytes"].replace(",", "")) > 4 * 3 * 5 * 32 * 32
    assert 0 < float(output["latency_ms_p50"]) <= float(output["latency_ms_p95"])
    assert lines[-2].endswith("batch 1, 1 thread")


def build_params() -> int:
    model = build_model(ModelSpec.parse(SPEC), 12)
    return sum(parameter.numel() for parameter in model.parameters())


def test_an_unknown_spec_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="error: .*resnet18"):
        main(["cost", "resnet19 + tcn_1x"])


@pytest.mark.slow
def test_a_disk_that_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", "place")

    monkeypatch.setattr("builtins.print", refuse)
    with pytest.raises(SystemExit, match="error: place cannot be written or read .Read-only"):
        main(["cost", SPEC, "--classes", "12", "--size", "32", "--json"])


def test_an_interrupt_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lipnet.spec.ModelSpec.parse", interrupt)
    with pytest.raises(SystemExit) as ended:
        main(["cost", SPEC])
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def write_weights(
    path: Path,
    spec: str = SPEC,
    face: str = "",
    rejection: Rejection | None = None,
    crops: dict[str, object] | None = None,
    lengths: Lengths | None = None,
    **preprocessing: object,
) -> Path:
    torch.manual_seed(1)
    model = build_model(ModelSpec.parse(spec), 3)
    crops = crops or describe_crops(CropOptions(face=face))
    facts = {"fps": 25.0, **crops, **Recipe(field=60, input_size=32).input_facts, **preprocessing}
    origin = {"model": "x-g0", **describe_rejection(rejection)}
    origin |= describe_lengths(lengths) if lengths else {}
    save_weights(path, model, ModelCard(spec, ["a", "b", "c"], facts, origin))
    return path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_weights(tmp_path / "w.safetensors")


@pytest.mark.slow
def test_read_gives_the_likeliest_words_of_a_real_video(
    weights: Path, grid_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = next(iter(sorted((grid_root / "s2").glob("*.mpg"))))
    main(["read", str(video), "--weights", str(weights), "--json"])
    answers = json.loads(capsys.readouterr().out)["answers"]
    assert {answer["label"] for answer in answers} == {"a", "b", "c"}
    assert sum(answer["probability"] for answer in answers) == pytest.approx(1, abs=1e-5)


def test_a_model_of_precropped_clips_reads_no_video(tmp_path: Path) -> None:
    facts = {"source": "lrw1000", **describe_precropped(122), **Recipe(input_size=32).input_facts}
    card = ModelCard(SPEC, ["a", "b", "c"], facts, {"model": "x-g0"})
    save_weights(tmp_path / "w.safetensors", build_model(ModelSpec.parse(SPEC), 3), card)
    with pytest.raises(SystemExit, match=r"precropped mouths of its corpus \(lrw1000\)"):
        main(["read", str(tmp_path / "v.mp4"), "--weights", str(tmp_path / "w.safetensors")])


def test_a_video_that_is_none_is_one_line(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_bytes(b"")
    with pytest.raises(SystemExit, match=r"no\.mp4 cannot be read: zero_bytes"):
        main(["read", str(tmp_path / "no.mp4"), "--weights", str(weights)])


@pytest.fixture
def cropped(monkeypatch: pytest.MonkeyPatch) -> list[CropOptions]:
    """Any video shows the same ten mouths; how they were to be cut is noted here."""
    crops = np.random.default_rng(2).integers(0, 256, (10, 96, 96), np.uint8)
    asked: list[CropOptions] = []
    monkeypatch.setattr(
        "lipnet.inference.read.crop_video",
        lambda video, options, landmarks: asked.append(options) or crops,
    )
    return asked


def read_json(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> list[dict[str, Any]]:
    main(["read", "clip.mp4", "--json", *map(str, arguments)])
    answers: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["answers"]
    return answers


def test_a_boundary_model_reads_the_word_at_its_given_frames(
    tmp_path: Path, cropped: list[CropOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    weights = write_weights(tmp_path / "b.safetensors", f"{SPEC} + boundary")
    early, same, late = (
        read_json(capsys, "--weights", weights, "--word", *word)
        for word in (("0", "0.2"), ("0.01", "0.19"), ("0.2", "0.4"))
    )
    assert early == same != late


def test_a_word_is_refused_by_models_that_do_not_use_it(weights: Path) -> None:
    with pytest.raises(SystemExit, match="does not use the span of the word: leave out --word"):
        main(["read", "clip.mp4", "--weights", str(weights), "--word", "0.1", "0.2"])


def test_a_length_that_the_model_was_not_trained_on_is_a_warning(
    weights: Path, tmp_path: Path, cropped: list[CropOptions], capsys: Printed
) -> None:
    main(["read", "clip.mp4", "--weights", str(weights)])  # without lengths in its card
    printed = capsys.readouterr()
    assert "warning: clip.mp4: 10 frames were read" in printed.err
    assert "(10 frames; the model was trained on clips of 29 frames (its file" in printed.out
    cut = write_weights(tmp_path / "cut.safetensors", lengths=Lengths(17, 1.0))
    main(["read", "clip.mp4", "--weights", str(cut)])
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "trained on clips of up to 17 frames, all of them cut at random" in printed.out
    main(["read", "clip.mp4", "--weights", str(weights), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["frames"], found["warning"].startswith("10 frames were read")) == (10, True)


def test_a_model_that_is_evaluated_on_a_context_reads_it_around_the_word(
    tmp_path: Path, cropped: list[CropOptions], capsys: Printed
) -> None:
    lengths = Lengths(9, 1.0)
    weights = write_weights(tmp_path / "c.safetensors", lengths=lengths, eval_context=1)
    main(["read", "clip.mp4", "--weights", str(weights)])
    assert "--word START END gives the span of the word" in capsys.readouterr().err
    main(["read", "clip.mp4", "--weights", str(weights), "--word", "0.12", "0.2"])
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "(4 frames; " in printed.out  # frames 3 and 4, and one on each side


def test_a_boundary_model_needs_the_word(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "b.safetensors", f"{SPEC} + boundary")
    with pytest.raises(SystemExit, match=r"b\.safetensors .*boundary\) needs.*--word START END"):
        main(["read", "clip.mp4", "--weights", str(weights)])


@pytest.mark.parametrize(
    "word",
    [("0.2", "0.1"), ("0.1", "0.1"), ("-1", "0.2"), ("0.4", "1"), ("0.1", "9"), ("nan", "1")],
)
def test_a_word_outside_the_video_is_an_error(
    tmp_path: Path, cropped: list[CropOptions], word: tuple[str, str]
) -> None:
    weights = write_weights(tmp_path / "b.safetensors", f"{SPEC} + boundary")
    with pytest.raises(SystemExit, match=r"error: --word .* within the video's 0\.4 s"):
        main(["read", "clip.mp4", "--weights", str(weights), "--word", *word])


def test_a_shortest_word_is_one_frame() -> None:
    assert find_word((0.16, 0.161), 10) == (4, 5)
    assert find_word((0.38, 0.4), 11) == (10, 11)
    assert find_word((0.0, 0.4), 10) == (0, 10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fps": 30.0}, "was trained on clips of fps 30.0, and videos are read with 25.0"),
        ({"stable_points": [1, 2]}, r"of stable_points \[1, 2\], and videos are read with"),
        ({"size": 48}, "states crops of 48 pixels, and that 65 of them are used"),
    ],
)
def test_a_card_that_contradicts_how_videos_are_read_is_refused(
    weights: Path, change: dict[str, object], message: str
) -> None:
    card = load_card(weights)
    with pytest.raises(InputError, match=message):
        crop_options_of({**card.preprocessing, **change}, weights)


def test_another_reference_face_is_asked_for_and_used(
    tmp_path: Path, cropped: list[CropOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    face = tmp_path / "face.npy"
    np.save(face, load_face() + 1)
    weights = write_weights(tmp_path / "f.safetensors", face=str(face))
    with pytest.raises(SystemExit, match=r"f\.safetensors expects .*the package's is.*--face"):
        main(["read", "clip.mp4", "--weights", str(weights)])
    read_json(capsys, "--weights", weights, "--face", face)
    assert [options.face for options in cropped] == [str(face)]


def test_the_landmark_model_of_the_card_finds_the_mouth_and_another_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        "lipnet.inference.crop.shared_detector",
        lambda model, *_: asked.append(model) or FakeDetector(),
    )
    clip = str(write_faces(tmp_path / "clip.mp4", 6))
    crops = describe_crops(CropOptions(), "mesh")
    weights = write_weights(tmp_path / "m.safetensors", crops=crops, lengths=Lengths(6))
    main(["read", clip, "--weights", str(weights)])
    assert capsys.readouterr().err == ""
    main(["read", clip, "--weights", str(weights), "--landmarks", "dlib"])
    assert "landmark model dlib, but this model was trained on crops by mesh" in (
        capsys.readouterr().err
    )
    assert asked == ["mesh", "dlib"]
    unknown = write_weights(tmp_path / "u.safetensors", crops={**crops, "landmarks": "fan"})
    with pytest.raises(SystemExit, match=r"u\.safetensors needs .* model fan, .*known: dlib, mesh"):
        main(["read", clip, "--weights", str(unknown)])


def test_several_videos_are_a_line_each_by_one_loaded_model(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(
        "lipnet.inference.crop.shared_detector", lambda *_: loaded.append("") or FakeDetector()
    )
    videos = [str(write_faces(tmp_path / f"{name}.mp4", 6)) for name in ("one", "two")]
    (tmp_path / "no.mp4").write_bytes(b"")
    main(["read", *videos, str(tmp_path / "no.mp4"), "--weights", str(weights), "--top", "1"])
    one, two, none = capsys.readouterr().out.splitlines()
    assert one.startswith(f"{videos[0]}: ")
    assert one.endswith("%")
    assert two.startswith(f"{videos[1]}: ")
    assert none.startswith(f"{tmp_path}/no.mp4: failed, zero_bytes")
    main(["read", *videos, "--weights", str(weights), "--json"])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry["video"] for entry in found] == videos
    assert [entry["label"] for entry in found] == [entry["answers"][0]["label"] for entry in found]


def test_a_clip_below_the_threshold_is_none_of_the_words(
    weights: Path, tmp_path: Path, cropped: list[CropOptions], capsys: Printed
) -> None:
    strict = write_weights(tmp_path / "s.safetensors", rejection=Rejection(0.99, 0.95, 0.3, 50))
    main(["read", "clip.mp4", "--weights", str(strict)])
    assert "none of these: below 99.0% none of the words" in capsys.readouterr().out
    main(["read", "clip.mp4", "--weights", str(strict), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["label"], found["reject_below"]) == (None, 0.99)
    main(["read", "clip.mp4", "--weights", str(strict), "--reject-below", "0", "--json"])
    assert json.loads(capsys.readouterr().out)["label"] == found["answers"][0]["label"]
    main(["read", "clip.mp4", "--weights", str(weights), "--json"])
    assert json.loads(capsys.readouterr().out)["reject_below"] is None


def test_a_closed_pipe_ends_the_program_in_silence(
    weights: Path, cropped: list[CropOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(line: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(sys.stdout, "write", refuse)
    with pytest.raises(SystemExit) as ended:
        main(["read", "clip.mp4", "--weights", str(weights)])
    assert ended.value.code == 141


def test_no_word_at_all_is_refused(weights: Path) -> None:
    with pytest.raises(SystemExit, match="error: --top must be at least 1, not 0"):
        main(["read", "clip.mp4", "--weights", str(weights), "--top", "0"])
