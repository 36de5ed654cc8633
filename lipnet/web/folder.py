"""The page as a folder: its own files, the runtime, the networks, the model and what it needs."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lipnet.crops.align import load_face
from lipnet.errors import InputError
from lipnet.files import read_json, write_folder_atomic
from lipnet.inference.onnx_reader import import_runtime
from lipnet.inference.read import crop_options_of, find_landmarks
from lipnet.labels import BACKGROUND
from lipnet.landmark_names import MESH
from lipnet.landmarks import blaze_face, mesh
from lipnet.landmarks.mesh_points import IBUG
from lipnet.live.graphs import check_stream
from lipnet.live.reader import find_window
from lipnet.live.spotter import find_settings
from lipnet.models.weights import ModelCard, load_card
from lipnet.recipe import Recipe
from lipnet.records import Record
from lipnet.single.export import Exported, export_model
from lipnet.web.runtime import FILES as RUNTIME_FILES
from lipnet.web.runtime import read_runtime
from lipnet.web.tflite import convert

PAGE = Path(__file__).with_name("page")
FACTS, EXAMPLE = "model.json", "example"  # the file of the facts, and the one that is optional
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
    card = load_card(weights)
    check_stream(card, weights)
    runtime = read_runtime(modules)
    facts = describe_model(card if int8 is None else card.without_thresholds(), weights, face)
    if example is not None:
        facts[EXAMPLE] = f"example{example.suffix}"
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
        files[str(facts[EXAMPLE])] = example.read_bytes()
    with write_folder_atomic(folder.resolve()) as temporary:
        for name, content in files.items():
            path = temporary / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
    return WebPage(folder, sum(map(len, files.values())), made)


def check_folder(folder: Path) -> None:
    """InputError if the folder cannot be replaced: it is the current one, or holds an entry that
    `write_page` did not write, which would be lost."""
    if not folder.parent.is_dir():
        raise InputError(f"--web {folder}: {folder.parent} is not a folder")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--web {folder} is not a folder")
    if Path.cwd().is_relative_to(folder.resolve()):
        raise InputError(f"--web {folder} would replace the current folder: name another folder")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    written = list_written(folder)
    entries = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    other = next((name for name in entries if name not in written), None)
    if other is not None:
        raise InputError(
            f"--web {folder} holds {other}, which is not part of a page and would be lost: name a "
            "new folder"
        )


def list_written(folder: Path) -> set[str]:
    """The files that `write_page` wrote there, and their folders; InputError without a page."""
    try:
        facts = Record(read_json(folder / FACTS))
        if facts.texts("files") != NETWORKS:
            raise ValueError("it names other networks")
        example = {facts.text(EXAMPLE)} if EXAMPLE in facts else set()
    except (OSError, ValueError):
        raise InputError(
            f"--web {folder} is not empty and holds no page: name a new folder"
        ) from None
    files = {
        *(path.name for path in PAGE.iterdir()),
        *(f"runtime/{name}" for name in RUNTIME_FILES),
        *NETWORKS.values(),
        *(f"licences/{name}.txt" for name in (*LICENCES, *RUNTIME_LICENCES.values())),
        "licences/index.html",
        FACTS,
        *example,
    }
    return files | {str(Path(name).parent) for name in files}


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
