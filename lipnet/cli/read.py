"""`lipnet read`: the most likely words of a video, by a trained model."""

import argparse
import json
from pathlib import Path

from lipnet.cli.face import add_face


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    read = verbs.add_parser("read", help="the most likely words of a video, by a trained model")
    read.add_argument("video", type=Path)
    read.add_argument(
        "--weights", type=Path, required=True, help="a weights.safetensors or an exported .onnx"
    )
    read.add_argument("--top", type=int, default=5, help="number of words to print")
    read.add_argument(
        "--word",
        type=float,
        nargs=2,
        metavar=("START", "END"),
        help="the span of the word in seconds, for a model with boundary in its spec",
    )
    add_face(read)
    read.add_argument("--json", action="store_true")
    read.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Print the most likely words and their probabilities."""
    from lipnet.inference.read import read_video

    word = tuple(parsed.word) if parsed.word else None
    answers = read_video(parsed.video, parsed.weights, top=parsed.top, word=word, face=parsed.face)
    if parsed.json:
        print(json.dumps([{"label": label, "probability": p} for label, p in answers]))
        return
    for label, probability in answers:
        print(f"{probability:6.1%}  {label}")
