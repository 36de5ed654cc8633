"""The option `--face` of the verbs that crop videos for a trained model."""

import argparse


def add_face(verb: argparse.ArgumentParser) -> None:
    """Declare the option."""
    verb.add_argument(
        "--face",
        metavar="FILE.npy",
        default="",
        help="the reference face of the model's crops, if it is not the package's",
    )
