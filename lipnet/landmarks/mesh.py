"""The landmark model `mesh`: MediaPipe's face mesh, tracked from frame to frame."""
# N points of the mesh (468)  P landmark points (68)

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.landmark_names import MESH
from lipnet.landmarks import blaze_face, litert
from lipnet.landmarks.blaze_face import BlazeFace
from lipnet.landmarks.face import Face, Seen
from lipnet.landmarks.finder import choose_face
from lipnet.landmarks.litert import Network, NetworkFile
from lipnet.landmarks.mesh_points import EYES, IBUG
from lipnet.landmarks.options import LARGEST, LandmarkOptions
from lipnet.landmarks.region import Region
from lipnet.video.decode import Frame, Pixels

FILE = NetworkFile(
    "face_mesh.tflite", "c603fa6149219a3e9487dc9abd7a0c24474c77263273d24868378cdf40aa26d1"
)
MIN_FLAG = 0.5  # probability that the region shows a face
MARGIN = 1.5  # side of the next region, relative to the box of all points
# From a detection, the points need some runs to settle: 0.6, 0.2 and 0.15 pixels off after 1, 2, 3.
FIRST_RUNS = 5


@dataclass(frozen=True)
class Marked:
    """The mesh of a region: all points in the frame, and the probability that it is a face."""

    points_N2: NDArray[np.float64]
    flag: float

    @property
    def region(self) -> Region:
        """Where to look for the same face next."""
        return Region.around(self.points_N2, margin=MARGIN, eyes_22=self.points_N2[list(EYES)])

    @property
    def seen(self) -> Seen:
        """The face and its 68 points."""
        (left, top), (right, bottom) = self.points_N2.min(axis=0), self.points_N2.max(axis=0)
        face = Face((float(left), float(top), float(right), float(bottom)), self.flag)
        return face, self.points_N2[list(IBUG)].astype(np.float32)


class MeshModel:
    """The detector and the mesh, loaded once; RGB frames. Its regions are sampled without rounding
    to bytes, so that the points do not depend on how ties are rounded."""

    name = MESH
    pixels: Pixels = "rgb"

    def __init__(self) -> None:
        self.detector = BlazeFace()
        self._network = Network(FILE)

    def follow(self, frames: Iterable[Frame], options: LandmarkOptions) -> Iterator[Seen | None]:
        """The face in each frame, None if it is not seen."""
        tracker = MeshTracker(self, options.prefer)
        for frame in frames:
            yield tracker.step(frame)

    def mark(self, frame: Frame, region: Region) -> Marked | None:
        """The mesh of the face in a region; None if it shows no face."""
        image = region.sample(frame, self._network.size, border=cv2.BORDER_REPLICATE)
        if image is None:
            return None
        values, logit = self._network(np.divide(image, np.float32(255), out=image))
        flag = 1 / (1 + np.exp(-float(logit.item())))
        unit_N2 = values.reshape(-1, 3)[:, :2].astype(np.float64) / self._network.size
        return Marked(region.place(unit_N2), float(flag)) if flag >= MIN_FLAG else None


class MeshTracker:
    """Follows one face through the frames of a video, one after another."""

    def __init__(self, model: MeshModel, prefer: str = LARGEST) -> None:
        self._model = model
        self._prefer = prefer
        self._region: Region | None = None
        self._last: Face | None = None

    def step(self, frame: Frame) -> Seen | None:
        """The face in the next RGB frame: where the last frame makes it expected, otherwise as the
        detector finds it; None if it is not seen."""
        marked = self._model.mark(frame, self._region) if self._region is not None else None
        marked = marked or self._search(frame)
        self._region = None if marked is None else marked.region
        if marked is None:
            return None
        seen = marked.seen
        self._last = seen[0]
        return seen

    def _search(self, frame: Frame) -> Marked | None:
        """The face that was followed so far, or else the preferred one."""
        found = {each.face: each.region for each in self._model.detector.find(frame)}
        face = choose_face(list(found), frame.shape, prefer=self._prefer, near=self._last)
        marked = None
        region = None if face is None else found[face]
        for _ in range(FIRST_RUNS):
            marked = None if region is None else self._model.mark(frame, region)
            region = None if marked is None else marked.region
        return marked


def load_mesh(options: LandmarkOptions) -> MeshModel:
    """The networks that come with the package; none of the options changes them."""
    return MeshModel()


def describe_mesh(options: LandmarkOptions) -> dict[str, object]:
    """What decides the mesh's points besides video and code: options, model files and libraries."""
    return {
        "options": {"prefer": options.prefer},
        "models": [blaze_face.FILE.sha256[:16], FILE.sha256[:16]],
        "libraries": f"cv2 {cv2.__version__}, {litert.PACKAGE} {litert.find_version()}",
    }
