"""The landmark models by name: how each is loaded, and what decides its points."""

from collections.abc import Callable, Mapping

from lipnet.landmark_names import DLIB, MESH
from lipnet.landmarks.detector import describe_dlib, load_dlib
from lipnet.landmarks.mesh import describe_mesh, load_mesh
from lipnet.landmarks.options import LandmarkModel, LandmarkOptions

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
