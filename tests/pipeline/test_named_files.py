"""Files that parameters name: changed contents are reported, with the command that uses them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from lipnet.crops import align
from lipnet.crops.align import face_digest, load_face
from lipnet.crops.crop import CropOptions
from lipnet.landmarks import summary as landmarks_summary
from lipnet.landmarks.models import digest_model_files
from lipnet.landmarks.options import LandmarkOptions
from lipnet.shards.summary import ShardsSummary, write_summary
from pipeline.named_files import describe_files
from pipeline.params import Params
from pipeline.paths import Paths

PATHS = Paths("tiny")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def params_with(**sections: object) -> Params:
    defaults = {"landmarks": LandmarkOptions(), "crops": CropOptions(), "scratch": {}, "taught": {}}
    return cast(Params, SimpleNamespace(**(defaults | sections)))


def record(stage: str, folder: Path, params: dict[str, Any]) -> None:
    """What DVC records of a stage that made the folder."""
    made = {"params": {"params.yaml": params}, "outs": [{"path": str(folder)}]}
    Path("dvc.lock").write_text(json.dumps({"stages": {stage: made}}))


def made_landmarks() -> tuple[Params, Path, Callable[[], None]]:
    """Landmarks by models that were named; the second one's file, and what changes it."""
    options = LandmarkOptions(predictor="points.dat", cnn="cnn.dat")
    for path in (options.predictor, options.cnn):
        Path(path).write_bytes(b"first")
    files = digest_model_files(options)
    found = landmarks_summary.LandmarksSummary("a" * 16, 1, 1, {}, 29, 0, files=files)
    PATHS.landmarks.mkdir(parents=True)
    landmarks_summary.write_summary(PATHS.landmarks, found)
    assert landmarks_summary.read_summary(PATHS.landmarks) == found
    record("landmarks", PATHS.landmarks, {"landmarks": asdict(options)})
    changed = Path(options.cnn)
    return params_with(landmarks=options), changed, lambda: changed.write_bytes(b"other") and None


def made_crops() -> tuple[Params, Path, Callable[[], None]]:
    """Shards of crops that were aligned to a file; the file, and what changes it."""
    path = Path("face.npy")
    np.save(path, load_face())
    options, facts = CropOptions(face=str(path)), {"reference_face": face_digest(str(path))}
    PATHS.shards.mkdir(parents=True)
    summary = ShardsSummary("b" * 16, {}, 0.5, 0.1, facts, "delta", "", 0)
    write_summary(PATHS.shards, summary, ["a"])
    record("shards", PATHS.shards, {"crops": asdict(options)})
    return params_with(crops=options), path, lambda: np.save(path, load_face() + 1)


@pytest.fixture(autouse=True)
def _fresh_faces() -> Iterator[None]:
    """As in another process: a face is read from its file once."""
    yield
    align._load_face.cache_clear()


@pytest.mark.parametrize(("stage", "make"), [("landmarks", made_landmarks), ("shards", made_crops)])
def test_changed_contents_are_reported_with_the_command_that_uses_them(
    stage: str, make: Callable[[], tuple[Params, Path, Callable[[], None]]]
) -> None:
    params, path, change = make()
    assert describe_files(params, PATHS) == []
    change()
    align._load_face.cache_clear()
    (line,) = describe_files(params, PATHS)
    assert f"other contents of {path}; " in line
    assert line.endswith(f"dvc repro --force --single-item {stage}")


@pytest.mark.parametrize("make", [made_landmarks, made_crops])
@pytest.mark.parametrize("change", ["parameters", "folder", "no file", "no record", "missing"])
def test_nothing_is_reported_of_what_dvc_makes_again_itself(
    make: Callable[[], tuple[Params, Path, Callable[[], None]]], change: str
) -> None:
    params, path, change_it = make()
    change_it()
    align._load_face.cache_clear()
    if change == "parameters":
        params.landmarks = LandmarkOptions(predictor="points.dat", cnn="cnn.dat", prefer="centre")
        params.crops = CropOptions(face=params.crops.face, size=88)
    elif change == "folder":
        Path("data/tiny").rename("data/elsewhere")
    elif change == "missing":
        path.unlink()
    elif change == "no file":
        params = params_with()
    else:
        Path("dvc.lock").write_text("stages: [")
    assert describe_files(params, PATHS) == []
