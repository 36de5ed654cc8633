"""The face networks as ONNX compute what LiteRT computes."""

import dataclasses

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from lipnet.errors import InputError
from lipnet.landmarks import blaze_face, mesh
from lipnet.landmarks.litert import Network, NetworkFile
from lipnet.web import tflite

FILES = (blaze_face.FILE, mesh.FILE)


def run(graph: bytes, image_HWC: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    outputs = session.run(None, {tflite.IMAGE: image_HWC.transpose(2, 0, 1)[None]})
    return sorted((each[0].reshape(-1) for each in outputs), key=lambda each: -each.size)


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_graph_gives_the_networks_outputs(file: NetworkFile) -> None:
    network, graph = Network(file), tflite.convert(file)
    image_HWC = np.random.default_rng(1).random((network.size, network.size, 3), np.float32)
    wanted = [each.reshape(-1) for each in network(image_HWC)]
    for ours, theirs in zip(run(graph, image_HWC), wanted, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, atol=2e-4 * max(1, np.abs(theirs).max()))
    assert tflite.convert(file) == graph
    assert len(graph) < len(file.read()) * 1.05


def test_a_layer_that_is_not_known_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {kind: make for kind, make in tflite.LAYERS.items() if kind != "PRELU"}
    monkeypatch.setattr(tflite, "LAYERS", known)
    with pytest.raises(InputError, match=r"face_mesh.tflite: a layer PRELU cannot be written"):
        tflite.convert(mesh.FILE)


def test_a_damaged_file_is_an_error() -> None:
    with pytest.raises(InputError, match="is not the file that lipnet comes with"):
        tflite.convert(dataclasses.replace(mesh.FILE, sha256="0" * 64))
