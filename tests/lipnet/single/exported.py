"""A small model and its export: made once, because the export takes seconds."""

from pathlib import Path

import pytest

from lipnet.cli.main import main
from tests.lipnet.inference.embedding import write_weights
from tests.sharing import make_once

SMALL = "resnet18_0.125x + tcn_0.25x"
WEIGHTS, GRAPH = "w.safetensors", "clip.onnx"


def export_once(factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A weights file of SMALL with the labels A, B and C, and its float32 graph."""
    folder = make_once(factory, "exported", _export)
    return folder / WEIGHTS, folder / GRAPH


def _export(folder: Path) -> None:
    folder.mkdir()
    write_weights(folder / WEIGHTS, SMALL)
    main(["export", str(folder / WEIGHTS), "--out", str(folder / GRAPH)])
