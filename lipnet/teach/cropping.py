"""The mouth of a take: cropped by the landmark model `mesh`, or refused with the reason."""
# T frames  H W pixels  P landmark points (68)

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lipnet.clip import CLIP_FRAMES, FPS
from lipnet.code import code_digest
from lipnet.crops.align import STABLE
from lipnet.crops.border import share_outside
from lipnet.crops.crop import CropOptions, describe_crops
from lipnet.files import digest_files, digest_of, write_atomic
from lipnet.inference.crop import Cropped, crop_video, shared_detector
from lipnet.landmark_names import MESH
from lipnet.landmarks.options import LandmarkOptions
from lipnet.landmarks.tracker import describe_maker
from lipnet.npz import read_npz
from lipnet.video.decode import MAX_FRAMES, Decoding, VideoError, iter_frames

MIN_RATE = 12.0  # frames per second of the camera; lips move unseen between fewer
MAX_UNSEEN = 0.1  # share of the frames without a face
MAX_OUTSIDE = 0.1  # share of the crop that is outside of the picture
MAX_SHIFT = 1.0  # of the face during the word, in distances between the outer corners of the eyes
EYE_CORNERS = (36, 45)
CODE = "teach.cropping"


@dataclass(frozen=True)
class Lengths:
    """The frames, at 25 per second, that a take may have."""

    minimum: int
    maximum: int


RECORDED = Lengths(50, 250)  # by the page, which records three seconds
OWN = Lengths(8, MAX_FRAMES)


def crop_take(video: Path, options: CropOptions, lengths: Lengths = OWN) -> NDArray[np.uint8]:
    """The crops [T, size, size] of a take.

    VideoError if it cannot be used; its reason is one of those of decoding, or no_face, face_lost,
    moved_away, cut_off, too_short, too_long or too_few_frames.
    """
    shape = _check_frames(video, lengths)
    detector = shared_detector(MESH)
    made = crop_video(video, detector, crops=options, landmarks=LandmarkOptions(model=MESH))
    _check_face(made, shape, options.size)
    return made.crops_THW


def crop_once(video: Path, options: CropOptions, kept: Path) -> NDArray[np.uint8]:
    """The same, from the folder `kept` if the same video was cropped in the same way before."""
    path = kept / f"{_name_crops(video, options)}.npz"
    if path.is_file():
        try:
            return np.asarray(read_npz(path, ["crops"])["crops"], np.uint8)
        except ValueError:
            path.unlink()  # damaged: made again
    crops_THW = crop_take(video, options)
    keep_crops(video, crops_THW, options, kept)
    return crops_THW


def keep_crops(video: Path, crops_THW: NDArray[np.uint8], options: CropOptions, kept: Path) -> None:
    """Keep a take's crops in the folder `kept`, for `crop_once`."""
    path = kept / f"{_name_crops(video, options)}.npz"
    with write_atomic(path) as temporary, temporary.open("wb") as out:
        np.savez_compressed(out, crops=crops_THW)


def _name_crops(video: Path, options: CropOptions) -> str:
    facts = {"video": digest_files([video]), "crops": describe_crops(options, MESH)}
    return digest_of({**facts, "made_by": _describe_maker()})


@cache
def _describe_maker() -> dict[str, object]:
    """What decides a take's crops besides its video and the options."""
    return describe_maker(LandmarkOptions(model=MESH), code_digest(CODE))


def find_middle(frames: int) -> slice:
    """The frames of a take in which its word is: the middle ones, as the source `folder` takes."""
    first = max(0, (frames - 1) // 2 - (CLIP_FRAMES - 1) // 2)
    return slice(first, min(frames, first + CLIP_FRAMES))


def _check_frames(video: Path, lengths: Lengths) -> tuple[int, ...]:
    """The shape of its frames, if there are as many as needed."""
    found, count, shape = Decoding(), 0, (0, 0)
    for frame in iter_frames(video, found):
        count, shape = count + 1, frame.shape
        if count > lengths.maximum:
            longest = f"{lengths.maximum / FPS:g} s"
            raise VideoError("too_long", f"it is longer than {longest}: one word at a time")
    if count < lengths.minimum:
        needed = f"{lengths.minimum / FPS:g} s"
        raise VideoError("too_short", f"it lasts {count / FPS:.1f} s, and {needed} are needed")
    rate = found.frames / count * FPS
    if rate < MIN_RATE:
        raise VideoError(
            "too_few_frames",
            f"the camera gave {rate:.0f} frames per second, and {MIN_RATE:.0f} are needed: more "
            "light lets it take more",
        )
    return shape


def _check_face(made: Cropped, shape: tuple[int, ...], size: int) -> None:
    """VideoError unless the mouth is in the picture, and in one place during the word."""
    seen_T, middle = made.track.seen_T, find_middle(len(made.track.seen_T))
    unseen = int((~seen_T).sum())
    if unseen > MAX_UNSEEN * len(seen_T):
        detail = f"the face was not seen in {unseen} of {len(seen_T)} frames: look at the camera"
        raise VideoError("face_lost", detail)
    points_TP2 = made.track.points_TP2[middle]
    left_T2, right_T2 = (points_TP2[:, corner] for corner in EYE_CORNERS)
    eyes = float(np.linalg.norm(left_T2 - right_T2, axis=1).mean())
    place_T2 = points_TP2[:, list(STABLE)].mean(axis=1)
    shift = float(np.linalg.norm(np.ptp(place_T2, axis=0)))
    if shift > MAX_SHIFT * eyes:
        raise VideoError("moved_away", "the face moved while the word was spoken: hold still")
    outside = float(share_outside(made.matrices_T23[middle], shape, size).mean())
    if outside > MAX_OUTSIDE:
        raise VideoError(
            "cut_off", f"{outside:.0%} of the mouth's surroundings are outside of the picture"
        )
