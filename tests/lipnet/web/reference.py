"""What the library computes for frames of a stream, to compare the page with."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lipnet.crops.align import load_face
from lipnet.data.augment import central_view
from lipnet.data.batch import collate
from lipnet.data.shrink import Shrink
from lipnet.inference.read import crop_options_of
from lipnet.landmarks.mesh import MeshModel, MeshTracker
from lipnet.live.cropper import CausalCropper
from lipnet.live.graphs import load_graphs
from lipnet.live.reader import find_window
from lipnet.live.window import StreamWindow
from lipnet.recipe import Recipe
from lipnet.shards.meta import ClipMeta

# H W pixels  P landmark points (68)  K classes


@dataclass(frozen=True)
class Reference:
    """A frame's points, matrix to the crop, crop, and logits if its window is full."""

    points_P2: NDArray[np.float32]
    matrix_23: NDArray[np.float64]
    crop_HW: NDArray[np.uint8]
    logits_K: NDArray[np.float32] | None


def read_images(weights: Path, seen_THW: NDArray[np.uint8]) -> list[NDArray[np.float32] | None]:
    """The logits after each image of the model's input size, None until the window is full."""
    graphs, card = load_graphs(weights)
    recipe = Recipe.for_input(card.preprocessing)
    mean, std = recipe.normalisation
    window = StreamWindow(graphs, find_window(card))
    found = []
    for seen_HW in seen_THW:
        window.push((torch.from_numpy(seen_HW).float() / 255 - mean) / std)
        found.append(window.logits().numpy() if window.is_full else None)
    return found


def read_stream(
    weights: Path, frames: Sequence[NDArray[np.uint8]], *, fresh: Collection[int] = ()
) -> list[Reference]:
    """The reference of each RGB frame, all of which show a face; with those of the numbers `fresh`
    another one comes."""
    graphs, card = load_graphs(weights)
    recipe = Recipe.for_input(card.preprocessing)
    options = crop_options_of(card.preprocessing, weights)
    cropper = CausalCropper(options, load_face(options.face))
    window = StreamWindow(graphs, find_window(card))
    tracker, shrink = MeshTracker(MeshModel()), Shrink.for_recipe(recipe)
    found = []
    for number, frame in enumerate(frames):
        if number in fresh:
            cropper.reset()
            window.reset()
        seen = tracker.step(frame)
        assert seen is not None
        grey_HW = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        matrix_23 = cropper.place(seen[1])
        crop_HW = cropper.cut(grey_HW, matrix_23)
        batch = collate([(shrink(crop_HW[None]), ClipMeta.unlabelled("", 0, 1))])
        window.push(central_view(batch, recipe).frames_BTHW[0, 0])
        logits = window.logits().numpy() if window.is_full else None
        found.append(Reference(seen[1], matrix_23, crop_HW, logits))
    return found
