"""LiveReader: a stream of frames to readings: face, crop, features, probabilities."""
# H W pixels  K classes

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipnet.clip import FPS
from lipnet.crops.align import load_face
from lipnet.crops.crop import CropOptions
from lipnet.data.shrink import Shrink
from lipnet.errors import InputError
from lipnet.inference.crop import shared_detector
from lipnet.inference.finite import check_finite
from lipnet.inference.read import crop_options_of, find_landmarks
from lipnet.landmark_names import DLIB
from lipnet.landmarks.detector import DlibDetector
from lipnet.landmarks.finder import Finder
from lipnet.landmarks.mesh import MeshModel
from lipnet.live.cropper import CausalCropper
from lipnet.live.frames import TimedFrame
from lipnet.live.graphs import StreamGraphs, load_graphs
from lipnet.live.spotter import Reading
from lipnet.live.tracker import DetectorTracker, FrameTracker, MeshFollower, Sighting
from lipnet.live.window import StreamWindow
from lipnet.models.weights import ModelCard
from lipnet.recipe import Recipe

HOP = 2  # frames between two readings; each frame gives the same words
HELD = 12  # frames without a face that are read with its last landmarks
WORD_FRAMES = 6  # of a word, for models that are evaluated on the word and its context
MIN_FRAMES = 5
FACE, HELD_FACE, NO_FACE, NEW_FACE, RESTART = "face", "held", "no face", "new face", "restart"


@dataclass(frozen=True, eq=False)
class Step:
    """What is known after a frame: its state (FACE and so on), the face, if there is one, its crop
    and the part of it that the model sees, in its resolution, and the reading of the window that
    ends there, if it is one of those that are read.

    NEW_FACE and RESTART mean that earlier frames were forgotten, as NO_FACE does.
    """

    frame: TimedFrame
    state: str
    face: Sighting | None = None
    matrix_23: NDArray[np.float64] | None = None
    crop_HW: NDArray[np.uint8] | None = None
    seen_HW: NDArray[np.uint8] | None = None
    reading: Reading | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether earlier frames were forgotten."""
        return self.state in (NO_FACE, NEW_FACE, RESTART)


@dataclass(frozen=True)
class LiveModel:
    """A model for streams: its graphs and card, how its crops were made, its file's name, and the
    landmark model to read with."""

    graphs: StreamGraphs
    card: ModelCard
    crops: CropOptions
    name: str
    landmarks: str = DLIB

    @classmethod
    def load(cls, weights: Path, *, face: str = "", landmarks: str = "") -> "LiveModel":
        """From a weights file or an .onnx of a stream; InputError if it cannot read a stream.

        `landmarks` is another landmark model than that of the model's training crops.
        """
        graphs, card = load_graphs(weights)
        used = find_landmarks(card.preprocessing, weights, landmarks)
        crops = crop_options_of(card.preprocessing, weights, face)
        return cls(graphs, card, crops, str(weights), used)

    @property
    def labels(self) -> Sequence[str]:
        """All labels, in class order."""
        return self.card.labels

    @property
    def recipe(self) -> Recipe:
        """What describes the model's input."""
        return Recipe.for_input(self.card.preprocessing)

    @property
    def frames(self) -> int:
        """The frames of a window: those on which the model is evaluated."""
        return find_window(self.card)


def find_window(card: ModelCard) -> int:
    """The frames of a stream's window: those on which the model is evaluated."""
    context, longest = Recipe.for_input(card.preprocessing).eval_context, card.lengths.longest
    return longest if context < 0 else min(longest, 2 * context + WORD_FRAMES)


def make_tracker(landmarks: str) -> FrameTracker:
    """The tracker of a landmark model, by its name."""
    model = shared_detector(landmarks)
    if isinstance(model, MeshModel):
        return MeshFollower(model)
    assert isinstance(model, DlibDetector)
    return DetectorTracker(Finder(model))


class LiveReader:
    """Reads a stream, frame by frame, by a model and a tracker of landmarks.

    Every `hop` frames the window of the newest `frames` frames (0: the model's) is read. Frames
    need the tracker's `pixels`.
    """

    def __init__(
        self,
        model: LiveModel,
        tracker: FrameTracker,
        *,
        hop: int = HOP,
        frames: int = 0,
        exact_edges: bool = True,
    ) -> None:
        frames = frames or model.frames
        if frames < MIN_FRAMES:
            raise InputError(f"--frames must be at least {MIN_FRAMES}, not {frames}")
        if hop < 1:
            raise InputError(f"--hop must be at least 1, not {hop}")
        self._model, self._tracker, self._hop = model, tracker, hop
        self.pixels = tracker.pixels
        self._recipe = model.recipe
        self._shrink = Shrink.for_recipe(self._recipe)
        self._cropper = CausalCropper(model.crops, load_face(model.crops.face))
        self._window = StreamWindow(model.graphs, frames, exact_edges=exact_edges)
        self._last: Sighting | None = None
        self._unseen = 0  # frames since the face was last seen
        self._since = 0  # frames since the last reading

    @property
    def needed(self) -> int:
        """The frames in a row with a face that the first reading needs."""
        return self._window.frames + self._window.lag

    def push(self, frame: TimedFrame) -> Step:
        """Track, crop and read the next frame."""
        state = RESTART if frame.is_restart else FACE
        if frame.is_restart:
            self._forget()
        face = self._tracker.track(frame.image)
        if face is not None:
            if face.is_new and self._last is not None:
                self._forget()
                state = NEW_FACE
            self._last, self._unseen = face, 0
        else:
            self._unseen += 1
            if self._last is None or self._unseen > HELD:
                self._forget()
                return Step(frame, NO_FACE)
            face, state = self._last, HELD_FACE if state == FACE else state
        return self._crop(frame, state, face)

    def _forget(self) -> None:
        """Start again: what follows is not the continuation of the frames so far."""
        self._window.reset()
        self._cropper.reset()
        self._last, self._since = None, 0

    def _crop(self, frame: TimedFrame, state: str, face: Sighting) -> Step:
        try:
            matrix_23 = self._cropper.place(face.points_P2)
        except ValueError:  # all points in one place
            self._forget()
            return Step(frame, NO_FACE)
        crop_HW = self._cropper.cut(frame.image_HW, matrix_23)
        seen_HW = self._centre(crop_HW)
        self._window.push(self._normalise(seen_HW))
        return Step(frame, state, face, matrix_23, crop_HW, seen_HW, self._read(frame))

    def _centre(self, crop_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The part of a crop that the model sees: that of `central_view`."""
        shrunk_HW = self._shrink(crop_HW[None])[0]
        size = self._recipe.input_size
        first = (len(shrunk_HW) - size) // 2
        return np.ascontiguousarray(shrunk_HW[first : first + size, first : first + size])

    def _normalise(self, seen_HW: NDArray[np.uint8]) -> Tensor:
        mean, std = self._recipe.normalisation
        shift = torch.full((), -mean / std)
        pixels_HW = torch.from_numpy(seen_HW).float()
        return torch.add(shift, pixels_HW, alpha=1 / (255 * std))

    def _read(self, frame: TimedFrame) -> Reading | None:
        self._since += 1
        if not self._window.is_full or self._since < self._hop:
            return None
        self._since = 0
        logits_K = self._window.logits()
        check_finite(logits_K[None], [f"{frame.seconds:.2f} s"], model=self._model.name)
        probabilities_K = logits_K.double().softmax(0).numpy()
        # A frame is over 1 / FPS after its time; the window's middle is half a window before that.
        end = frame.seconds + 1 / FPS
        middle = end - (self._window.frames / 2 + self._window.lag) / FPS
        return Reading(middle, end, probabilities_K)
