"""Speakers: the face, mouth, skin and manner of speaking that one identity keeps in all clips."""

from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.sources.synthetic.face import CANVAS, lip_profile, load_face, rest_mouth
from lipnet.sources.synthetic.lips import TEETH_EDGE, MouthBuild

# H W pixels of the canvas  A anchors of the face's build
# Around the mouth's centre, in canvas pixels: jaw, cheeks, ears, eyes, brows, bridge of the nose.
ANCHORS_A2 = np.array(
    [
        *((-48, 30), (48, 30), (-52, -15), (52, -15), (-68, -50), (68, -50)),
        *((-30, -72), (30, -72), (-30, -92), (30, -92), (0, -55)),
    ],
    np.float32,
)
ANCHOR_REACH = 26.0
MOUTH_REACH = 34.0  # the mouth itself stays where the lips' warp expects it
DEVIATION = 3.2  # canvas pixels, of an anchor's place
LIP_RED = (104.0, 98.0, 186.0)


@dataclass(frozen=True)
class Speaker:
    """One identity; gains are against the photograph (1 = the same), colours in BGR."""

    name: str
    mouth: MouthBuild
    anchors: tuple[tuple[float, float], ...]
    aspect: float
    scale: float
    tone: tuple[float, float, float]
    gamma: float
    lip_red: float
    lamp: tuple[float, float]
    rate: float
    effort: float
    looseness: float


def name_speaker(split: str, number: int) -> str:
    """The id of a split's speaker: no other split has it."""
    return f"{split}-{number:02d}"


@lru_cache(maxsize=256)
def make_speaker(split: str, number: int, seed: int) -> Speaker:
    """The speaker of that number in a split, the same for a seed and a number, in any corpus."""
    name = name_speaker(split, number)
    draw = np.random.default_rng([seed, crc32(b"speaker"), crc32(name.encode())])
    dark = float(draw.uniform(0, 1))
    warm = float(draw.normal(0, 0.04))
    return Speaker(
        name=name,
        mouth=MouthBuild(
            width=float(draw.uniform(0.88, 1.12)),
            upper=float(draw.uniform(0.75, 1.35)),
            lower=float(draw.uniform(0.8, 1.3)),
            jaw=float(draw.uniform(0.85, 1.15)),
            teeth=TEETH_EDGE + float(draw.uniform(-1.0, 1.2)),
        ),
        anchors=tuple((float(x), float(y)) for x, y in draw.normal(0, DEVIATION, ANCHORS_A2.shape)),
        aspect=float(draw.uniform(0.95, 1.06)),
        scale=float(draw.uniform(0.94, 1.1)),
        tone=(1 - 0.12 * dark - warm, 1 - 0.06 * dark, 1 + warm),
        gamma=float(0.95 + 0.75 * dark),
        lip_red=float(draw.uniform(0.1, 0.5)),
        lamp=(float(draw.normal(0, 0.16)), float(draw.normal(0, 0.1))),
        rate=float(np.exp(draw.normal(0, 0.1))),
        effort=float(np.exp(draw.normal(0, 0.1))),
        looseness=float(draw.uniform(0.6, 1.4)),
    )


@lru_cache(maxsize=64)
def paint_speaker(speaker: Speaker) -> NDArray[np.uint8]:
    """The speaker's closed face [CANVAS, CANVAS, 3] in BGR."""
    x_HW, y_HW = _build_maps(speaker)
    built = cv2.remap(load_face(), x_HW, y_HW, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    light = _redden_lips(np.asarray(built / 255, np.float32), speaker.lip_red)
    toned = np.clip(light, 0, 1) ** np.float32(speaker.gamma) * np.array(speaker.tone, np.float32)
    lit = toned * _shine(speaker.lamp)[:, :, None]
    return np.asarray(np.clip(lit * 255, 0, 255), np.uint8)


def _from_mouth() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """x and y [H, W] of the canvas's pixels from the mouth's centre."""
    rest = rest_mouth()
    rows, columns = np.mgrid[0:CANVAS, 0:CANVAS].astype(np.float32)
    return columns - np.float32(rest.x), rows - np.float32(rest.y)


def _build_maps(speaker: Speaker) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Maps that move each anchor of the face by the speaker's deviation."""
    x_HW, y_HW = _from_mouth()
    still_HW = np.exp(-(x_HW**2 + y_HW**2) / MOUTH_REACH**2)
    moved = [np.zeros_like(x_HW), np.zeros_like(y_HW)]
    for (anchor_x, anchor_y), deviation in zip(ANCHORS_A2, speaker.anchors, strict=True):
        far_HW = (x_HW - anchor_x) ** 2 + (y_HW - anchor_y) ** 2
        weight_HW = np.exp(-far_HW / (2 * ANCHOR_REACH**2)) * (1 - still_HW)
        for axis in (0, 1):
            moved[axis] += np.float32(deviation[axis]) * weight_HW
    rest = rest_mouth()
    return x_HW + moved[0] + np.float32(rest.x), y_HW + moved[1] + np.float32(rest.y)


def _redden_lips(light_HW3: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Lips a share of the way to LIP_RED, with the seam between them in shadow."""
    rest = rest_mouth()
    x_HW, y_HW = _from_mouth()
    part_HW, thick_HW = lip_profile(x_HW / np.float32(rest.half_width))
    inside_HW = np.clip((rest.half_width - np.abs(x_HW)) / 3, 0, 1)
    inside_HW *= np.clip(rest.upper * thick_HW + y_HW + 0.5, 0, 1)
    inside_HW *= np.clip(rest.lower * thick_HW - y_HW + 0.5, 0, 1)
    red = np.array(LIP_RED, np.float32) / 255
    brightness = light_HW3.mean(axis=2, keepdims=True) / red.mean()
    red_HW3 = light_HW3 + share * inside_HW[:, :, None] * (red * brightness - light_HW3)
    shade_HW = 1 - 0.4 * inside_HW * np.exp(-((y_HW / 1.1) ** 2)) * np.minimum(part_HW * 3, 1)
    return np.asarray(cv2.GaussianBlur(red_HW3 * shade_HW[:, :, None], (0, 0), 0.6), np.float32)


def _shine(lamp: tuple[float, float]) -> NDArray[np.float32]:
    """Light [H, W] that falls off across the face; `lamp`: its slope to the right and down."""
    ramp = np.linspace(-1, 1, CANVAS, dtype=np.float32) * 1.5
    across, down = np.tanh(ramp), np.tanh(ramp)
    return np.asarray(1 + lamp[0] * across[None, :] + lamp[1] * down[:, None], np.float32)
