"""Network files: only those that the package was made with, and a clear line without LiteRT."""

import sys
from pathlib import Path

import pytest

from lipnet.errors import InputError
from lipnet.landmarks import blaze_face, litert, mesh
from lipnet.landmarks.litert import NetworkFile
from lipnet.landmarks.models import describe_landmark_model, load_landmark_model
from lipnet.landmarks.options import LandmarkOptions

MESH = LandmarkOptions(model="mesh")
HERE = Path(litert.__file__).parent


def test_files_are_those_that_the_notice_names_and_the_licence_is_there() -> None:
    notice = (HERE / "mediapipe.NOTICE").read_text(encoding="utf-8")
    for file in (blaze_face.FILE, mesh.FILE):
        content = file.read()
        assert file.name in notice
        assert file.sha256 in notice
        assert f"{len(content):,} bytes" in notice
    assert "Apache License" in (HERE / "mediapipe.LICENSE").read_text(encoding="utf-8")


def test_another_file_or_none_is_named() -> None:
    with pytest.raises(InputError, match=r"face_mesh\.tflite is not the file"):
        NetworkFile(mesh.FILE.name, blaze_face.FILE.sha256).read()
    with pytest.raises(InputError, match=r"gone\.tflite cannot be read .No such file"):
        NetworkFile("gone.tflite", mesh.FILE.sha256).read()


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(InputError, match=r"landmarks\.model mesh: .*extra `mesh`"):
        load_landmark_model(MESH)
    with pytest.raises(InputError, match=r"landmarks\.model mesh: .*extra `mesh`"):
        describe_landmark_model(MESH)


def test_loading_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    load_landmark_model(MESH)
    assert capfd.readouterr() == ("", "")


def test_what_decides_the_points_is_described_by_model() -> None:
    dlib, ours = describe_landmark_model(LandmarkOptions()), describe_landmark_model(MESH)
    assert (dlib["model"], ours["model"]) == ("dlib", "mesh")
    # Options of dlib change no point of the mesh, and so not the fingerprint.
    assert describe_landmark_model(LandmarkOptions(model="mesh", detect_every=3)) == ours
    assert describe_landmark_model(LandmarkOptions(detect_every=3)) != dlib
    centre = LandmarkOptions(model="mesh", prefer="centre")
    assert describe_landmark_model(centre) != ours
