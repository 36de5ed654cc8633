"""`lipnet export`: a trained model as ONNX, for other runtimes."""

import argparse
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from lipnet.cli.face import add_face
from lipnet.cli.pair import describe_pair, format_pair
from lipnet.cli.unused import refuse_unused

if TYPE_CHECKING:
    from lipnet.measure.accuracy import Estimate
    from lipnet.single.export import Exported, Quantised
    from lipnet.web.folder import WebPage

ABOUT = (
    "Needs the extra `export` (pip install '.[export]' in the repository). lipnet read, evaluate "
    "and cost take the file in place of the weights."
)

SPLIT = "val"


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    verb = verbs.add_parser("export", help="a trained model as ONNX or a web page", epilog=ABOUT)
    verb.add_argument("weights", type=Path, metavar="WEIGHTS", help="a weights.safetensors")
    target = verb.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path, metavar="FILE.onnx")
    target.add_argument(
        "--web", type=Path, metavar="DIR", help="a page that reads lips in a browser, as a folder"
    )
    verb.add_argument(
        "--int8",
        type=Path,
        metavar="SHARDS",
        help="quantise to int8; the training clips of these shards calibrate it",
    )
    verb.add_argument("--split", help=f"of the shards: where top-1 is compared (default: {SPLIT})")
    verb.add_argument(
        "--stream",
        action="store_true",
        help="two files: FILE-frame.onnx (five frames to features) and FILE-head.onnx",
    )
    add_face(verb)
    verb.add_argument("--json", action="store_true")
    verb.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Write the files and print what they are and what was checked."""
    from lipnet.single.export import export_model

    if parsed.int8 is None:
        refuse_unused({"--split": parsed.split}, "nothing is compared without --int8")
    if parsed.web is not None:
        write_web(parsed)
        return
    made = export_model(
        parsed.weights,
        parsed.out,
        int8=parsed.int8,
        split=parsed.split or SPLIT,
        stream=parsed.stream,
        face=parsed.face,
    )
    print(json.dumps(to_json(made)) if parsed.json else "\n".join(format_lines(made)))


def write_web(parsed: argparse.Namespace) -> None:
    """Write the page and print what it holds."""
    from lipnet.web.folder import write_page

    page = write_page(
        parsed.weights, parsed.web, face=parsed.face, int8=parsed.int8, split=parsed.split or SPLIT
    )
    if parsed.json:
        print(json.dumps({**to_json(page.exported), **page_json(page)}))
        return
    print("\n".join([*format_lines(page.exported), *page_lines(page)]))


def page_json(page: "WebPage") -> dict[str, object]:
    """The page's folder and size."""
    return {"web": str(page.folder), "bytes": page.bytes}


def page_lines(page: "WebPage") -> list[str]:
    """The same as lines of text, and how to open the page."""
    size = f"{page.bytes / 1e6:.1f} MB"
    large = [f"{size} take long to load on a phone: use a smaller model, or --int8"]
    return [
        f"{page.folder}: {size}, works without a network; open it from a server, as in",
        f"python3 -m http.server --bind 127.0.0.1 --directory {shlex.quote(str(page.folder))}",
        *(large if page.is_large else []),
    ]


def to_json(made: "Exported") -> dict[str, object]:
    """Files, parity by number of frames (of the logits' spread), and int8's accuracy."""
    found = made.quantised
    return {
        "spec": made.card.spec,
        "files": [
            {"path": str(path), "bytes": path.stat().st_size, "graph": own.graph}
            for path, own in zip(made.paths, made.facts, strict=True)
            if path.exists()
        ],
        "precision": made.facts[0].precision,
        "opset": made.facts[0].opset,
        "parity": {str(frames): apart for frames, apart in made.parity.by_frames.items()},
        "int8": found
        and {
            "calibration_clips": found.calibration_clips,
            **describe_pair(found.split, _accuracies(found), found.difference),
        },
    }


def format_lines(made: "Exported") -> list[str]:
    """The same as lines of text."""
    facts = made.facts[0]
    apart = ", ".join(f"{apart:.1e} at {n}" for n, apart in made.parity.by_frames.items())
    return [
        f"{made.card.spec}, {len(made.card.labels)} labels, opset {facts.opset}, {facts.precision}",
        *(
            f"{path}: {own.graph} graph, {path.stat().st_size / 1e6:.1f} MB"
            for path, own in zip(made.paths, made.facts, strict=True)
            if path.exists()  # those of a page are within its folder
        ),
        f"float32 logits against the library's, difference over their spread: {apart} frames",
        *([] if made.quantised is None else _quantised_lines(made.quantised)),
    ]


def _quantised_lines(found: "Quantised") -> list[str]:
    return [
        f"int8 calibrated on {found.calibration_clips} training clips; top-1 on {found.split}:",
        *format_pair(_accuracies(found), found.difference),
    ]


def _accuracies(found: "Quantised") -> dict[str, "Estimate"]:
    return {"float32": found.float32, "int8": found.int8}
