"""Derive a landmark model's reference face: the mean of several people, by Procrustes analysis.

    python scripts/derive_reference_face.py --grid GRID_ROOT [--landmarks mesh] [--compare FACE.npy]

The package's are lipnet/crops/reference_face.npy (dlib) and lipnet/crops/mesh_face.npy (mesh).

Each person counts once: the mean shape over each speaker's frames, and scikit-image's astronaut.
Mirrored copies make the mean symmetric. Its position and size in the 256 x 256 frame are
conventions, set by the constants below.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from lipnet.crops.align import OWN_FACES, STABLE, apply_similarity, fit_similarity, mean_shape
from lipnet.files import write_atomic
from lipnet.landmark_names import DLIB, LANDMARK_MODELS
from lipnet.landmarks.models import load_landmark_model
from lipnet.landmarks.options import LandmarkModel, LandmarkOptions
from lipnet.landmarks.store import Track
from lipnet.landmarks.track import track_landmarks
from lipnet.video.decode import iter_frames

# N shapes  P landmark points (68)
FRAME = 256  # pixels, the side of the frame that faces are aligned in
EYE_DISTANCE = 54.0  # pixels between the eyes, so that a crop of 96 pixels shows the lower face
EYE_HEIGHT = 94.0  # pixels from the top of the frame
VIDEOS_PER_SPEAKER = 12
RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)
MIRRORED = [
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
]  # fmt: skip
"""MIRRORED[i] is the point that corresponds to point i in a mirrored face."""


def speaker_shapes(grid: Path, model: LandmarkModel) -> Iterator[NDArray[np.float64]]:
    """Each speaker's mean shape over evenly spaced videos."""
    for speaker in sorted(p for p in grid.iterdir() if p.is_dir() and p.name != "alignments"):
        videos = sorted(p for p in speaker.iterdir() if p.suffix in (".mp4", ".mpg"))
        step = max(1, len(videos) // VIDEOS_PER_SPEAKER)
        tracks = [track_video(video, model) for video in videos[::step]]
        shapes_NP2 = np.concatenate([track.points_TP2[track.seen_T] for track in tracks])
        print(f"{speaker.name}: {len(tracks)} videos, {len(shapes_NP2)} faces")
        yield mean_shape(shapes_NP2)


def track_video(video: Path, model: LandmarkModel) -> Track:
    """The landmarks of a video."""
    return track_landmarks(iter_frames(video, pixels=model.pixels), model)


def astronaut_shape(model: LandmarkModel) -> NDArray[np.float64]:
    """The face in scikit-image's astronaut."""
    photo: NDArray[np.uint8] = data.astronaut()  # type: ignore[no-untyped-call]
    grey = np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), np.uint8)
    frame = photo if model.pixels == "rgb" else grey
    return mean_shape(track_landmarks([frame], model).points_TP2)


def place_face(mean_P2: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shape upright in the frame: eyes level, at EYE_DISTANCE and EYE_HEIGHT."""
    eyes = np.stack([mean_P2[RIGHT_EYE].mean(axis=0), mean_P2[LEFT_EYE].mean(axis=0)])
    half = EYE_DISTANCE / 2
    target = np.array([[FRAME / 2 - half, EYE_HEIGHT], [FRAME / 2 + half, EYE_HEIGHT]])
    placed = apply_similarity(fit_similarity(eyes[None], target), mean_P2[None])[0]
    return np.asarray(placed, np.float64)


def derive_face(grid: Path, model: LandmarkModel) -> NDArray[np.float64]:
    """The symmetric mean of all people's shapes, placed in the frame."""
    people = np.stack([*speaker_shapes(grid, model), astronaut_shape(model)])
    twins = people[:, MIRRORED] * np.array([-1.0, 1.0])
    print(f"{len(people)} people")
    return place_face(mean_shape(np.concatenate([people, twins])))


def describe_distance(face: NDArray[np.float64], other: NDArray[np.float64]) -> str:
    """The distances between two faces, as placed and after a similarity of the stable points."""
    stable = list(STABLE)
    fitted = apply_similarity(fit_similarity(face[None, stable], other[stable]), face[None])[0]
    lines = []
    for name, mine in (("as placed", face), ("stable points fitted", fitted)):
        gap_P = np.linalg.norm(mine - other, axis=1)
        lines.append(
            f"{name}: mean {gap_P.mean():.2f} px over 68 points, "
            f"{gap_P[stable].mean():.2f} px at the stable points, {gap_P[48:].mean():.2f} px mouth"
        )
    turn = fit_similarity(face[None, stable], other[stable])[0]
    lines.append(f"scale of theirs over ours {np.hypot(turn[0, 0], turn[1, 0]):.4f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--grid", type=Path, required=True, help="GRID's root, with one folder per speaker"
    )
    parser.add_argument("--landmarks", choices=LANDMARK_MODELS, default=DLIB)
    parser.add_argument("--out", type=Path, help="the package's face of the landmark model if none")
    parser.add_argument("--compare", type=Path, help="another face to print the distance from")
    chosen = parser.parse_args()
    model = load_landmark_model(LandmarkOptions(model=chosen.landmarks))
    face = np.round(derive_face(chosen.grid, model), 3)
    path = chosen.out or OWN_FACES[model.name]
    with write_atomic(path) as temporary, temporary.open("wb") as out:
        np.save(out, face, allow_pickle=False)
    print(f"wrote {path}: x {np.ptp(face[:, 0]):.1f} px wide, y {np.ptp(face[:, 1]):.1f} high")
    if chosen.compare:
        print(describe_distance(face, np.load(chosen.compare)))


if __name__ == "__main__":
    main()
