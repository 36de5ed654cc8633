"""The landmark models by name: how each is loaded, and what decides its points."""

from collections.abc import Callable, Mapping
from pathlib import Path

from lipnet.landmark_names import DLIB, MESH
from lipnet.landmarks.detector import describe_dlib, load_dlib
from lipnet.landmarks.mesh import describe_mesh, load_mesh
from lipnet.landmarks.options import LandmarkModel, LandmarkOptions
from lipnet.landmarks.store import digest_video

NAMED = ("predictor", "cnn")  # the options that name a model's file
LOADERS: Mapping[str, Callable[[LandmarkOptions], LandmarkModel]] = {
    DLIB: load_dlib,
    MESH: load_mesh,
}
DESCRIPTIONS: Mapping[str, Callable[[LandmarkOptions], dict[str, object]]] = {
    DLIB: describe_dlib,
    MESH: describe_mesh,
}


def load_landmark_model(options: LandmarkOptions) -> LandmarkModel:
    """The model that the options name; InputError if it or its package is not installed."""
    return LOADERS[options.model](options)


def describe_landmark_model(options: LandmarkOptions) -> dict[str, object]:
    """What decides the points besides video and code: the model's options, files and libraries."""
    return {"model": options.model, **DESCRIPTIONS[options.model](options)}


def digest_model_files(options: LandmarkOptions) -> dict[str, str]:
    """The digest of each model's file that the options name, as far as they are there."""
    paths = {name: Path(getattr(options, name)) for name in NAMED if getattr(options, name)}
    return {name: digest_video(path) for name, path in paths.items() if path.is_file()}
