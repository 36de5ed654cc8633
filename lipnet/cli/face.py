"""The option `--face` of the verbs that cut a trained model's crops."""

import argparse


def add_face(verb: argparse.ArgumentParser) -> None:
    """Declare it."""
    verb.add_argument(
        "--face",
        metavar="FILE.npy",
        default="",
        help="the reference face of the model's crops, where it is not the package's",
    )
