"""`lipnet import-checkpoint`: a checkpoint of the paper's authors becomes our weights file."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lipnet.errors import InputError

if TYPE_CHECKING:
    from lipnet.models.weights import ModelCard

ORDER = "the authors' class order for LRW is the sorted list of its 500 words"


def add_parser(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb's arguments."""
    parser = verbs.add_parser(
        "import-checkpoint", help="turn a .pth file of the paper's authors into our weights"
    )
    parser.add_argument("checkpoint", type=Path, metavar="FILE.pth")
    parser.add_argument(
        "--config",
        type=Path,
        required=True,
        metavar="FILE.json",
        help="the authors' settings",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--labels", type=Path, metavar="FILE", help=f"one word per line; {ORDER}")
    parser.add_argument(
        "--face",
        metavar="FILE.npy",
        default="",
        help="the authors' reference face (68 x 2), which `lipnet read --face` then also needs; "
        "without it, crops are aligned to the package's",
    )
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> None:
    """Write DIR/weights.safetensors, and print its spec and the reference face that it expects."""
    from lipnet.authors.checkpoint import load_authors_model
    from lipnet.models.weights import save_weights

    model, spec = load_authors_model(parsed.checkpoint, parsed.config)
    print(_describe_face(parsed.face))
    classes = model.classifier.out_features
    labels = _choose_labels(parsed.labels, classes)
    path = parsed.out / "weights.safetensors"
    card = _make_card(parsed, spec=str(spec), labels=labels)
    try:
        parsed.out.mkdir(parents=True, exist_ok=True)
        save_weights(path, model, card)
    except OSError as error:
        raise InputError(f"--out {parsed.out}: {error.strerror}") from None
    print(f"{path}: {spec}, {classes} classes")


def _make_card(parsed: argparse.Namespace, *, spec: str, labels: list[str]) -> "ModelCard":
    """The card records how the authors cut crops and normalised pixels, and the file imported."""
    from lipnet.clip import FPS
    from lipnet.crops.crop import CropOptions, describe_crops
    from lipnet.files import digest_files
    from lipnet.models.weights import ModelCard
    from lipnet.recipe import Recipe

    crops = describe_crops(CropOptions(face=parsed.face))
    return ModelCard(
        spec=spec,
        labels=labels,
        preprocessing={"fps": FPS, **crops, **Recipe().input_facts},
        origin={"imported": parsed.checkpoint.name, "sha256": digest_files([parsed.checkpoint])},
    )


def _choose_labels(file: Path | None, classes: int) -> list[str]:
    """The words of the file, one per class; class-000, class-001, ... without a file."""
    if file is None:
        print(f"no --labels: the classes are named class-000, class-001, ... ({ORDER})")
        return [f"class-{number:03d}" for number in range(classes)]
    try:
        labels = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is not a readable list of labels: {error}") from None
    labels = [label.strip() for label in labels if label.strip()]
    repeated = sorted({label for label in labels if labels.count(label) > 1})
    if repeated:
        raise InputError(f"{file} names {', '.join(repeated[:3])} more than once")
    if len(labels) != classes:
        raise InputError(f"{file} has {len(labels)} labels for a model of {classes} classes")
    if labels != sorted(labels):
        print(f"note: {file} is not sorted, but {ORDER}")
    return labels


def _describe_face(face: str) -> str:
    """The reference face that the weights expect, and its distance from the package's."""
    from lipnet.crops.align import face_digest, load_face
    from lipnet.quality.face_gap import measure_gap

    if not face:
        return (
            f"reference face: the package's ({face_digest()}); the authors' own differs a little, "
            "--face FILE.npy selects it"
        )
    gap = measure_gap(load_face(), load_face(face))
    return f"reference face: {face} ({face_digest(face)}), from the package's {gap}"
