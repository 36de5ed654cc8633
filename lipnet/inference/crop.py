"""Crops of single videos, made as for training data, and videos that show how."""

import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipnet.clip import FPS
from lipnet.crops.align import load_face
from lipnet.crops.crop import CropOptions, crop_matrices, crop_mouth
from lipnet.errors import InputError
from lipnet.files import write_atomic
from lipnet.inference.draw import draw_face, write_movie
from lipnet.landmark_names import DLIB
from lipnet.landmarks.models import load_landmark_model
from lipnet.landmarks.options import LandmarkModel, LandmarkOptions
from lipnet.landmarks.store import Track
from lipnet.landmarks.track import track_landmarks
from lipnet.video.decode import VideoError, iter_frames, limit_frames

# T frames  H W pixels  P landmark points (68)


@dataclass(frozen=True)
class Cropped:
    """A video's mouth: crops, the matrices from its frames to them, and its landmarks."""

    crops_THW: NDArray[np.uint8]
    matrices_T23: NDArray[np.float64]
    track: Track


@dataclass(frozen=True)
class CropRecord:
    """The outcome of one video; `reason` and `detail` are empty if it was cropped."""

    video: str
    frames: int = 0
    seen: int = 0
    crops: str = ""
    drawing: str = ""
    reason: str = ""
    detail: str = ""

    @property
    def interpolated(self) -> int:
        """The number of frames with interpolated landmarks."""
        return self.frames - self.seen


def crop_videos(
    videos: Sequence[Path],
    out: Path | None,
    detector: LandmarkModel,
    *,
    crops: CropOptions,
    landmarks: LandmarkOptions,
    draw: bool = False,
    keep: list[NDArray[np.uint8]] | None = None,
) -> Iterator[CropRecord]:
    """Crop one video after another to <out>/<stem>.npz, each file whole or not at all.

    Without `out` nothing is written. The crops are appended to `keep`, if given. `draw` adds
    <stem>-drawn.mp4. InputError, before any work, for two videos with the same stem or a video that
    would be overwritten; a video that fails is a record.
    """
    if out is not None:
        check_outputs(videos, out, draw=draw)
    for video in videos:
        crops_path = None if out is None else out / f"{video.stem}.npz"
        drawing = name_drawing(video, out) if draw and out is not None else None
        try:
            made = crop_video(video, detector, crops=crops, landmarks=landmarks)
            if drawing is not None:
                draw_video(video, made, drawing)
            if crops_path is not None:
                write_crops(crops_path, made)
        except VideoError as error:
            yield CropRecord(str(video), reason=error.reason, detail=error.detail)
            continue
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            detail = "its name leaves no room for the output's; rename it"
            yield CropRecord(str(video), reason="name_too_long", detail=detail)
            continue
        if keep is not None:
            keep.append(made.crops_THW)
        seen = int(made.track.seen_T.sum())
        files = (str(crops_path or ""), str(drawing or ""))
        yield CropRecord(str(video), len(made.crops_THW), seen, *files)


def name_drawing(video: Path, out: Path) -> Path:
    """The path of a video's drawing."""
    return out / f"{video.stem}-drawn.mp4"


def check_outputs(videos: Sequence[Path], out: Path, *, draw: bool) -> None:
    """InputError if two videos have the same output, or an output would overwrite a video."""
    stems: dict[str, Path] = {}
    for video in videos:
        if video.stem in stems:
            raise InputError(
                f"{stems[video.stem]} and {video} would both become {video.stem}.npz: "
                "crop them into different folders"
            )
        stems[video.stem] = video
    given = {os.path.realpath(video) for video in videos}
    for video in videos if draw else ():
        if os.path.realpath(name_drawing(video, out)) in given:
            raise InputError(
                f"the drawing of {video} would overwrite {name_drawing(video, out)}: "
                "choose another folder for --out"
            )


def crop_video(
    video: Path | str,
    detector: LandmarkModel | None = None,
    *,
    crops: CropOptions | None = None,
    landmarks: LandmarkOptions | None = None,
) -> Cropped:
    """Landmarks and mouth crops of a video at 25 fps, as the stages `landmarks` and `shards` make
    them. Raises VideoError if it cannot be read or shows no face.

    Without a `detector` the model that `landmarks` names (dlib unless given) is loaded, once per
    process. The mouth is aligned to the landmark model's own reference face unless `crops` names
    another.

        >>> lipnet.crop_video("word.mp4").crops_THW.shape
        (29, 96, 96)
    """
    video, crops = Path(video), crops or CropOptions()
    landmarks = landmarks or LandmarkOptions()
    detector = detector or shared_detector(landmarks.model, landmarks.predictor, landmarks.cnn)
    crops = crops.for_landmarks(detector.name)
    frames = limit_frames(iter_frames(video, pixels=detector.pixels))
    track = track_landmarks(frames, detector, landmarks)
    try:
        matrices = crop_matrices(track.points_TP2, load_face(crops.face), crops)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise VideoError("degenerate_face", str(error)) from error
    return Cropped(crop_mouth(iter_frames(video), matrices, crops.size), matrices, track)


@cache
def shared_detector(model: str = DLIB, predictor: str = "", cnn: str = "") -> LandmarkModel:
    """The landmark model of this name, dlib's with these model files (empty: the installed one, and
    no CNN). dlib takes a second to load, so each is loaded once per process."""
    return load_landmark_model(LandmarkOptions(model=model, predictor=predictor, cnn=cnn))


def write_crops(path: Path, made: Cropped) -> None:
    """One .npz: crops [T, S, S] uint8, matrices [T, 2, 3], points [T, 68, 2], seen and score [T],
    fps; equal crops give equal bytes."""
    with write_atomic(path) as temporary, temporary.open("wb") as out:
        np.savez(
            out,
            crops=made.crops_THW,
            matrices=made.matrices_T23,
            points=made.track.points_TP2,
            seen=made.track.seen_T,
            score=made.track.score_T,
            fps=np.float64(FPS),
        )


def draw_video(video: Path, made: Cropped, path: Path) -> None:
    """The video as the pipeline sees it, grey at 25 fps, with face and mouth marked."""
    size, track = made.crops_THW.shape[1], made.track
    marks = zip(track.points_TP2, made.matrices_T23, track.seen_T, strict=True)
    frames = (
        draw_face(frame, points, matrix, size=size, seen=bool(seen))
        for frame, (points, matrix, seen) in zip(iter_frames(video), marks, strict=True)
    )
    write_movie(path, frames)
