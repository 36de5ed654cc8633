"""Rendering: a planned clip becomes frames."""

from dataclasses import dataclass
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.clip import CLIP_FRAMES
from lipnet.sources.synthetic.face import CANVAS, STILL_ABOVE, STILL_ASIDE, STILL_BELOW, rest_mouth
from lipnet.sources.synthetic.lips import Lips, paint_inside, shape_lips, warp_lips
from lipnet.sources.synthetic.options import SyntheticOptions
from lipnet.sources.synthetic.pose import SIDE, draw_poses, place_face
from lipnet.sources.synthetic.speakers import Speaker, make_speaker, paint_speaker
from lipnet.sources.synthetic.utterance import Delivery, Utterance, say_word
from lipnet.sources.synthetic.words import spell_visemes

# T frames  H W pixels  N pixels about the mouth
NOISE_MARGIN = 32
FAINTEST = 0.02  # share of a pixel below which nothing is painted between the lips

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class ClipPlan:
    """One clip to render: its word, split, number in the word's folder, and who says it."""

    word: str
    split: str
    number: int
    speaker: int

    @property
    def stem(self) -> str:
        """The path below the corpus's root, without the ending."""
        return f"{self.word}/{self.split}/{self.word}_{self.number:05d}"


def render_clip(plan: ClipPlan, options: SyntheticOptions) -> tuple[Image, float]:
    """Frames [29, 256, 256, 3] in BGR, and the word's seconds; depends on the seed and the plan
    only. Words of equal visemes are drawn from one distribution."""
    words = (crc32(plan.word.encode()), crc32(plan.split.encode()), plan.number)
    generator = np.random.default_rng([options.seed, *words])
    speaker = make_speaker(plan.split, plan.speaker, options.seed)
    utterance = speak(plan.word, speaker, options, generator)
    poses_T6 = draw_poses(CLIP_FRAMES, options.sway, generator)
    texture = light_clip(paint_speaker(speaker), options.light, generator)
    rest = rest_mouth()
    frames = [
        draw_frame(
            texture,
            shape_lips(shape_M, rest, speaker.mouth),
            place_face(pose, scale=speaker.scale, aspect=speaker.aspect),
        )
        for shape_M, pose in zip(utterance.shapes_TM, poses_T6, strict=True)
    ]
    return add_noise(np.stack(frames), options.noise, generator), utterance.seconds


def speak(
    word: str, speaker: Speaker, options: SyntheticOptions, generator: np.random.Generator
) -> Utterance:
    """The word as this speaker says it this time."""
    mumble = options.mumble
    delivery = Delivery(
        rate=speaker.rate * float(np.exp(generator.normal(0, 0.08 + 0.08 * mumble))),
        effort=speaker.effort
        * (1 - 0.3 * mumble)
        * float(np.exp(generator.normal(0, 0.06 + 0.2 * mumble))),
        looseness=min(1.0, mumble * speaker.looseness),
        pauses=options.pauses,
    )
    return say_word(spell_visemes(word), delivery, generator)


def light_clip(texture: Image, light: float, generator: np.random.Generator) -> Image:
    """The face in this clip's light: brightness, contrast and a slope across it."""
    gain = np.exp(light * generator.normal(-0.04, 0.1))
    slope = light * generator.normal(0, 0.12)
    offset = light * generator.normal(0, 6)
    ramp = (gain * (1 + slope * np.linspace(-1, 1, CANVAS))).astype(np.float32)
    lit = texture * ramp[None, :, None] + np.float32(offset)
    return np.asarray(np.clip(lit, 0, 255), np.uint8)


def draw_frame(texture: Image, lips: Lips, matrix_23: NDArray[np.float64]) -> Image:
    """One frame [256, 256, 3]: the face in its pose, its lips moved, the mouth filled in."""
    ramp = np.arange(SIDE, dtype=np.float32)
    (xx, xy, x0), (yx, yy, y0) = matrix_23.astype(np.float32)
    x_HW = (xx * ramp)[None, :] + (xy * ramp + x0)[:, None]
    y_HW = (yx * ramp)[None, :] + (yy * ramp + y0)[:, None]
    rest, window = rest_mouth(), find_window(matrix_23)
    x_N, y_N = (
        (x_HW[window] - np.float32(rest.x)).ravel(),
        (y_HW[window] - np.float32(rest.y)).ravel(),
    )
    closed_x_N, closed_y_N, inside_N = warp_lips(x_N, y_N, lips, rest)
    x_HW[window] = (closed_x_N + np.float32(rest.x)).reshape(x_HW[window].shape)
    y_HW[window] = (closed_y_N + np.float32(rest.y)).reshape(y_HW[window].shape)
    frame = cv2.remap(texture, x_HW, y_HW, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    seen = np.flatnonzero(inside_N > FAINTEST)
    if seen.size:
        width = x_HW[window].shape[1]
        rows, columns = seen // width + window[0].start, seen % width + window[1].start
        share = inside_N[seen, None]
        below = frame[rows, columns].astype(np.float32)
        bright = np.float32(mouth_light(texture))
        inner = paint_inside(x_N[seen], y_N[seen], lips) * bright
        frame[rows, columns] = np.clip(below + share * (inner - below), 0, 255).astype(np.uint8)
    return np.asarray(frame, np.uint8)


def find_window(matrix_23: NDArray[np.float64]) -> tuple[slice, slice]:
    """The rows and columns of a frame in which the lips' movement can be seen."""
    rest = rest_mouth()
    sides = (rest.x - STILL_ASIDE, rest.x + STILL_ASIDE)
    ends = (rest.y - rest.nose - STILL_ABOVE, rest.y + rest.chin + STILL_BELOW)
    corners = np.array([(x, y) for x in sides for y in ends]) - matrix_23[:, 2]
    places = corners @ np.linalg.inv(matrix_23[:, :2]).T
    low = np.clip(np.floor(places.min(axis=0)).astype(int), 0, SIDE)
    high = np.clip(np.ceil(places.max(axis=0)).astype(int) + 1, 0, SIDE)
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def mouth_light(texture: Image) -> float:
    """How bright it is about the mouth, against the photograph."""
    rest = rest_mouth()
    row, column = round(rest.y) + 22, round(rest.x)
    return float(texture[row - 4 : row + 5, column - 12 : column + 13].mean() / 165)


def add_noise(frames_THWC: Image, noise: float, generator: np.random.Generator) -> Image:
    """Sensor noise of about `noise` grey levels; the amount varies by clip."""
    sigma = noise * generator.uniform(0.5, 1.5)
    side = SIDE + NOISE_MARGIN
    # One field per clip, of which each frame gets another window: a new field per frame would take
    # most of the rendering time.
    field = np.clip(
        np.round(sigma * generator.standard_normal((side, side, 3), np.float32)), -90, 90
    )
    field = field.astype(np.int16)
    for frame, (row, column) in zip(
        frames_THWC, generator.integers(0, NOISE_MARGIN, (len(frames_THWC), 2)), strict=True
    ):
        shifted = field[row : row + SIDE, column : column + SIDE]
        cv2.add(frame, np.ascontiguousarray(shifted), dst=frame, dtype=cv2.CV_8U)
    return frames_THWC
