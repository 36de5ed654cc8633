"""The page as a folder: its own files, the runtime, the networks, the model and what it needs."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lipnet.crops.align import load_face
from lipnet.errors import InputError
from lipnet.files import write_folder_atomic
from lipnet.inference.onnx_reader import import_runtime
from lipnet.inference.read import crop_options_of, find_landmarks
from lipnet.labels import BACKGROUND
from lipnet.landmark_names import MESH
from lipnet.landmarks import blaze_face, mesh
from lipnet.landmarks.mesh_points import IBUG
from lipnet.live.reader import find_window
from lipnet.live.spotter import find_settings
from lipnet.models.weights import ModelCard, load_card
from lipnet.recipe import Recipe
from lipnet.single.export import Exported, export_model
from lipnet.spec import ModelSpec
from lipnet.web.runtime import read_runtime
from lipnet.web.tflite import convert

PAGE = Path(__file__).with_name("page")
FACTS = "model.json"
NETWORKS = {name: f"networks/{name}.onnx" for name in ("detector", "mesh", "frame", "head")}
MAX_BYTES = 30_000_000  # that a phone loads in a few seconds
LICENCES = ("mediapipe.LICENSE", "mediapipe.NOTICE")  # next to the networks' files
RUNTIME_LICENCES = {"LICENSE": "onnxruntime.LICENSE", "ThirdPartyNotices.txt": "onnxruntime.NOTICE"}


@dataclass(frozen=True)
class WebPage:
    """A page that was written: its folder, its bytes in all, and the export of its model."""

    folder: Path
    bytes: int
    exported: Exported

    @property
    def is_large(self) -> bool:
        """Whether it takes long to load."""
        return self.bytes > MAX_BYTES


def write_page(
    weights: Path,
    folder: Path,
    *,
    face: str = "",
    int8: Path | None = None,
    split: str = "val",
    example: Path | None = None,
    modules: Path | None = None,
) -> WebPage:
    """Fill `folder` with a page that reads lips by these weights; it needs no other file.

    `example` is a video that it offers to play; the others are as for `export_model`. InputError,
    with nothing written, for a model that cannot read a stream, a folder that holds something else,
    or a runtime that is not installed.
    """
    check_folder(folder)
    if folder.resolve() in weights.resolve().parents:
        raise InputError(
            f"--web {folder} holds {weights}, which would be lost: name another folder"
        )
    card = load_card(weights)
    check_card(card, weights)
    runtime = read_runtime(modules)
    facts = describe_model(card if int8 is None else card.without_thresholds(), weights, face)
    if example is not None:
        facts["example"] = f"example{example.suffix}"
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "model.onnx"
        made = export_model(weights, out, stream=True, face=face, int8=int8, split=split)
        graphs = {
            own.graph: path.read_bytes() for path, own in zip(made.paths, made.facts, strict=True)
        }
    files = {
        **{path.name: path.read_bytes() for path in sorted(PAGE.iterdir())},
        **{f"runtime/{name}": content for name, content in runtime.items()},
        NETWORKS["detector"]: convert(blaze_face.FILE),
        NETWORKS["mesh"]: convert(mesh.FILE),
        **{NETWORKS[name]: content for name, content in graphs.items()},
        **read_licences(),
        FACTS: json.dumps(facts, sort_keys=True, ensure_ascii=False).encode(),
    }
    if example is not None:
        files[str(facts["example"])] = example.read_bytes()
    with write_folder_atomic(folder) as temporary:
        for name, content in files.items():
            path = temporary / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
    return WebPage(folder, sum(map(len, files.values())), made)


def check_folder(folder: Path) -> None:
    """InputError if the folder holds something that is not a page, which would be lost."""
    if not folder.parent.is_dir():
        raise InputError(f"--web {folder}: {folder.parent} is not a folder")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--web {folder} is not a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / FACTS).is_file():
        raise InputError(f"--web {folder} is not empty and holds no page: name a new folder")


def check_card(card: ModelCard, weights: Path) -> None:
    """InputError if the model needs more than a stream of frames."""
    if ModelSpec.parse(card.spec).boundary:
        raise InputError(
            f"{weights} ({card.spec}) needs the frames of the word, which are not known in a "
            "stream: use a model without boundary"
        )


def describe_model(card: ModelCard, weights: Path, face: str) -> dict[str, object]:
    """What the page's scripts need to know."""
    options = crop_options_of(card.preprocessing, weights, face)
    recipe = Recipe.for_input(card.preprocessing)
    threshold, refractory = find_settings(card)
    mean, std = recipe.normalisation
    return {
        "spec": card.spec,
        "labels": card.labels,
        "source": card.preprocessing.get("source", ""),
        "background": BACKGROUND if BACKGROUND in card.labels else None,
        "threshold": threshold,
        "refractory": refractory,
        "isChosen": card.spotting is not None,
        "frames": find_window(card),
        "landmarks": {"trained": find_landmarks(card.preprocessing, weights), "used": MESH},
        "meshPoints": list(IBUG),
        "files": NETWORKS,
        "crops": {
            "size": options.size,
            "smooth": options.smooth,
            "smoothCentre": options.smooth_centre,
            "face": load_face(options.face).tolist(),
        },
        "view": {
            "size": options.size,
            "storedField": recipe.stored_field,
            "storedSize": recipe.stored_size,
            "inputSize": recipe.input_size,
            "mean": mean,
            "std": std,
        },
    }


def read_licences() -> dict[str, bytes]:
    """The licences of the networks and of the runtime, and a page that lists them."""
    networks = Path(blaze_face.__file__).parent
    runtime = Path(import_runtime().__file__).parent
    files = {name: (networks / name).read_bytes() for name in LICENCES}
    files |= {own: (runtime / name).read_bytes() for name, own in RUNTIME_LICENCES.items()}
    named = {f"{name}.txt": content for name, content in files.items()}
    links = "".join(f'<li><a href="{name}">{name}</a></li>' for name in sorted(named))
    listing = f'<!doctype html><html lang="en"><title>Licences</title><ul>{links}</ul></html>\n'
    named["index.html"] = listing.encode()
    return {f"licences/{name}": content for name, content in named.items()}
