"""The options of the verbs that crop videos: the reference face and the landmark model."""

import argparse

from lipnet.landmark_names import LANDMARK_MODELS

OF_CARD = "by default that of the model's training crops"


def add_face(verb: argparse.ArgumentParser) -> None:
    """Declare the option."""
    verb.add_argument(
        "--face",
        metavar="FILE.npy",
        default="",
        help="the reference face of the model's crops, if it is not the package's",
    )


def add_landmarks(verb: argparse.ArgumentParser, *, default: str = "", text: str) -> None:
    """Declare the option `--landmarks`."""
    verb.add_argument("--landmarks", choices=LANDMARK_MODELS, default=default, help=text)
