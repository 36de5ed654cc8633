"""Exported graphs compute what the library computes; what cannot be exported is one clear line."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from lipnet.cli.main import main
from lipnet.crops.align import face_digest, load_face
from lipnet.errors import InputError
from lipnet.export.graph import make_stream_graphs
from lipnet.export.onnx_file import OPSET, trace
from lipnet.inference.clip_model import load_clip_model
from lipnet.inference.onnx_reader import GRAPH_KEY, load_onnx, open_session, run_graph
from lipnet.models.build import build_model
from lipnet.models.packing import find_valid_frames
from lipnet.models.weights import copy_weights, load_model
from lipnet.single.export import CPU, export_model
from lipnet.spec import ModelSpec
from tests.lipnet.inference.embedding import THRESHOLDS, WORDS, write_shards, write_weights
from tests.lipnet.single.exported import SMALL, export_once

# Every backbone and kind of head of the paper's tables, every activation, and the word's boundary.
SPECS = (
    "resnet18_0.125x + mstcn_0.375x + prelu + boundary",
    "resnet18_0.125x + dsmstcn_0.375x + swish",
    "shufflenetv2_0.5x + dstcn_0.25x + motion",
)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The weights of which `exported` is the graph."""
    return write_weights(tmp_path / "w.safetensors", SMALL)


@pytest.fixture
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_once(tmp_path_factory)[1]


def assert_same_logits(weights: Path, path: Path) -> None:
    """A padded batch of three lengths that the export did not check."""
    model, card = load_model(weights)
    reader, own_card = load_clip_model(path)
    assert own_card == card
    frames_BTHW = torch.randn(3, 11, 32, 32, generator=torch.Generator().manual_seed(3))
    batch = (frames_BTHW, torch.tensor([11, 3, 7]), torch.ones(3, 11))
    with torch.inference_mode():
        expected, found = model(*batch).numpy(), reader(*batch).numpy()
    assert np.abs(found - expected).max() <= 1e-4 * expected.std()


@pytest.mark.slow
def test_a_clip_graph_gives_the_logits_of_the_weights(weights: Path, exported: Path) -> None:
    assert_same_logits(weights, exported)


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS)
def test_every_kind_of_model_exports(tmp_path: Path, spec: str) -> None:
    weights = write_weights(tmp_path / "w.safetensors", spec)
    made = export_model(weights, tmp_path / "m.onnx")
    assert 0 < made.parity.worst <= 1e-4
    assert_same_logits(weights, tmp_path / "m.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("head", ["bgru_8", "blstm_8", "rnn_8"])
def test_a_recurrent_head_takes_any_number_of_frames(head: str) -> None:
    spec = ModelSpec.parse(f"resnet18_0.125x + {head} + boundary")
    model = build_model(spec, 3, generator=torch.Generator().manual_seed(1)).eval()
    session = open_session(trace(make_stream_graphs(model, 32)[1]))
    for frames in (1, 7, 40):
        features_TC = torch.randn(frames, model.trunk.features)
        word_T = torch.ones(frames)
        valid = find_valid_frames(torch.tensor([frames]), steps=frames, device=CPU)
        with torch.inference_mode():
            out_TC = model.head(torch.cat((features_TC, word_T.unsqueeze(1)), 1), valid)
            expected = model.classifier(valid.mean(out_TC)).numpy()
        inputs = {"features": features_TC.numpy(), "word": word_T.numpy()}
        assert np.abs(run_graph(session, inputs) - expected).max() <= 1e-5


@pytest.mark.slow
def test_the_file_holds_what_a_program_needs(weights: Path, exported: Path) -> None:
    _, card, facts = load_onnx(exported)
    assert card == load_model(weights)[1]
    assert (facts.graph, facts.precision, facts.reject_below) == ("clip", "float32", None)
    assert facts.reference_face == {"digest": face_digest(), "points": load_face().tolist()}
    model = onnx.load(exported)
    assert {entry.version for entry in model.opset_import if not entry.domain} == {OPSET}
    onnx.checker.check_model(model, full_check=True)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    assert b".py" not in exported.read_bytes()  # no stack traces with this machine's paths


@pytest.mark.slow
def test_cost_takes_the_file(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["cost", SMALL, "--classes", "3", "--size", "32", "--json"])
    spec = json.loads(capsys.readouterr().out)
    main(["cost", str(exported), "--json"])
    file = json.loads(capsys.readouterr().out)
    for name in ("spec", "params", "gflops", "gmacs"):
        assert file[name] == spec[name]
    assert 0 < file["latency_ms_p50"] <= file["latency_ms_p95"]
    with pytest.raises(SystemExit, match="has its own classes and size"):
        main(["cost", str(exported), "--size", "88"])


@pytest.mark.slow
def test_equal_models_give_equal_bytes(tmp_path: Path, weights: Path, exported: Path) -> None:
    export_model(weights, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == exported.read_bytes()


@pytest.mark.slow
def test_a_stream_in_int8_is_compared_with_float32(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = write_shards(tmp_path / "shards", ("train", "val"))
    out = tmp_path / "s.onnx"
    copy_weights(weights, weights, THRESHOLDS)
    main(["export", str(weights), "--out", str(out), "--stream", "--int8", str(shards), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [file["graph"] for file in found["files"]] == ["frame", "head"]
    assert max(found["parity"].values()) <= 1e-4
    assert (found["int8"]["calibration_clips"], found["int8"]["clips"]) == (5, 5)
    low, high = found["int8"]["difference_95"]
    assert low <= found["int8"]["top1_int8"] - found["int8"]["top1_float32"] <= high
    frame, head = (Path(file["path"]) for file in found["files"])
    assert not out.exists()
    model, _ = load_model(weights)
    clip = (torch.randn(1, 9, 32, 32), torch.tensor([9]))
    with torch.inference_mode():
        expected = model(*clip)
    for path in (frame, head):
        assert "QuantizeLinear" in {node.op_type for node in onnx.load(path).graph.node}
        reader, card = load_clip_model(path)
        assert 1e-4 < (reader(*clip) - expected).abs().max() / expected.std() < 0.5
        assert (card.rejection, card.spotting) == (None, None)  # chosen for float32
        assert load_onnx(path)[2].reject_below is None
    head.unlink()
    with pytest.raises(InputError, match="s-head.onnx does not exist"):
        load_clip_model(frame)


@pytest.mark.parametrize(
    ("spec", "options", "reason"),
    [
        ("densenet3d + convlstm_8", {}, "convlstm head"),
        ("densenet3d + tcn_0.25x", {"stream": True}, "densenet3d"),
        ("resnet18_0.125x + tcn_0.25x + motion", {"stream": True}, "motion"),
    ],
)
def test_a_model_that_no_graph_expresses_is_refused(
    tmp_path: Path, spec: str, options: dict[str, bool], reason: str
) -> None:
    weights = write_weights(tmp_path / "w.safetensors", spec)
    with pytest.raises(InputError, match=f"{reason}.* cannot be exported"):
        export_model(weights, tmp_path / "m.onnx", **options)
    assert not list(tmp_path.glob("*.onnx"))


def test_other_shards_are_refused(tmp_path: Path, weights: Path) -> None:
    shards, out = write_shards(tmp_path / "shards", ("train", "val")), tmp_path / "m.onnx"
    with pytest.raises(InputError, match="held-out"):
        export_model(weights, out, int8=shards, split="train")
    others = write_weights(tmp_path / "o.safetensors", SMALL, smooth=1)
    with pytest.raises(InputError, match="crops of smooth 1"):
        export_model(others, out, int8=shards)
    others = write_weights(tmp_path / "o.safetensors", SMALL, labels=[*WORDS, "D"])
    with pytest.raises(InputError, match="other labels"):
        export_model(others, out, int8=shards)


def test_another_reference_face_is_refused(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "w.safetensors", SMALL, reference_face="0" * 16)
    with pytest.raises(InputError, match="reference face 0000.* --face"):
        export_model(weights, tmp_path / "m.onnx")


@pytest.mark.slow
def test_a_damaged_or_foreign_file_is_one_line(tmp_path: Path, exported: Path) -> None:
    content = exported.read_bytes()
    truncated = tmp_path / "truncated.onnx"
    truncated.write_bytes(content[: len(content) // 2])
    foreign = onnx.load(exported)
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    relabelled = onnx.load(exported)
    relabelled.metadata_props[0].value = relabelled.metadata_props[0].value.replace(
        '"C"', '"C","D"'
    )
    onnx.save(relabelled, tmp_path / "relabelled.onnx")
    facts = onnx.load(exported)
    next(each for each in facts.metadata_props if each.key == GRAPH_KEY).value = "{"
    onnx.save(facts, tmp_path / "facts.onnx")
    faults = {
        "truncated": "not a readable ONNX file",
        "foreign": "only files of `lipnet export`",
        "relabelled": "4 labels for 3 outputs",
        "facts": "metadata is damaged",
        "missing": "does not exist",
    }
    for name, fault in faults.items():
        with pytest.raises(InputError, match=fault) as caught:
            load_clip_model(tmp_path / f"{name}.onnx")
        assert "\n" not in str(caught.value)


def test_without_a_name_that_ends_in_onnx_nothing_is_written(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(
        SystemExit, match="error: --out .*: must be an .onnx file in a folder that exists"
    ):
        main(["export", str(weights), "--out", str(tmp_path / "m.pt")])


def test_a_split_without_int8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="nothing is compared without --int8: leave out --split"):
        main(["export", "w.safetensors", "--web", str(tmp_path / "page"), "--split", "test"])
