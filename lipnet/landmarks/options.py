"""LandmarkOptions: by which model the points are found, and how; the protocol of such models."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from lipnet.errors import InputError
from lipnet.landmark_names import DLIB, LANDMARK_MODELS
from lipnet.landmarks.face import Seen
from lipnet.video.decode import Frame, Pixels

LARGEST, CENTRE = "largest", "centre"
PREFERENCES = (LARGEST, CENTRE)


@dataclass(frozen=True)
class LandmarkOptions:
    """How landmarks are found, by the `model` dlib or mesh; `prefer` is which of several faces.

    The others but `videos_per_shard` are for dlib alone: `predictor` is the path of its model,
    empty for the installed one; `cnn` that of its CNN detector, used if nothing else finds a face.
    """

    model: str = DLIB
    predictor: str = ""
    cnn: str = ""
    detect_every: int = 10
    retry_upsample: int = 1
    prefer: str = LARGEST
    videos_per_shard: int = 64

    def __post_init__(self) -> None:
        for name, known in (("model", LANDMARK_MODELS), ("prefer", PREFERENCES)):
            if getattr(self, name) not in known:
                value, listed = getattr(self, name), ", ".join(known)
                raise InputError(f"unknown landmarks.{name} {value!r}; known: {listed}")
        for name, minimum in (("detect_every", 1), ("retry_upsample", 0), ("videos_per_shard", 1)):
            if getattr(self, name) < minimum:
                value = getattr(self, name)
                raise InputError(f"landmarks.{name} must be at least {minimum}, not {value}")
        for name in ("predictor", "cnn"):
            if self.model != DLIB and getattr(self, name):
                raise InputError(
                    f"landmarks.{name} is a model of dlib, and landmarks.model is {self.model}: "
                    "leave it empty"
                )


class LandmarkModel(Protocol):
    """Follows one face through a video; `pixels` are those of the frames that it needs."""

    @property
    def name(self) -> str: ...

    @property
    def pixels(self) -> Pixels: ...

    def follow(self, frames: Iterable[Frame], options: LandmarkOptions) -> Iterator[Seen | None]:
        """The face and its points in each frame, None if it is not seen."""
        ...
