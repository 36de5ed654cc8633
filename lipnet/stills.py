"""Stills: a folder of numbered images in place of a video; the file of each frame."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

IMAGE = re.compile(r"([0-9]{1,9})\.(?:jpg|jpeg|png|bmp)", re.IGNORECASE)


class FrameMissing(Exception):
    """A frame for which the folder has no image, or two; the message names it."""


def list_images(folder: Path) -> dict[int, list[str]]:
    """The names of each number's images, sorted; OSError if there is no such folder."""
    found: dict[int, list[str]] = {}
    for name in sorted(os.listdir(folder)):
        if matched := IMAGE.fullmatch(name):
            found.setdefault(int(matched[1]), []).append(name)
    return found


def choose_images(images: dict[int, list[str]], numbers: Iterable[int]) -> list[str]:
    """One name for each number, in order; FrameMissing for a number without or with several."""
    chosen: list[str] = []
    for number in numbers:
        names = images.get(number, [])
        if len(names) != 1:
            what = f"{' and '.join(names)} are both" if names else "no image is"
            raise FrameMissing(f"{what} frame {number} of the {len(images)} in the folder")
        chosen += names
    return chosen
