"""A path that is not what it should be ends in one line, whichever reader meets it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lipnet.authors.checkpoint import read_spec, read_tensors
from lipnet.crops.align import load_face
from lipnet.errors import InputError
from lipnet.inference.logits import read_logits
from lipnet.landmarks.detector import find_predictor
from lipnet.landmarks.index import read_index as read_track_index
from lipnet.landmarks.store import TrackSpan, read_track
from lipnet.landmarks.summary import read_summary as read_landmarks
from lipnet.lineage.generation import read_generation
from lipnet.lineage.summary import read_lineage
from lipnet.models.weights import load_card, load_model
from lipnet.report.csv_rows import read_rows
from lipnet.report.json_files import read_mapping
from lipnet.report.latencies import read_kept
from lipnet.report.rows import LabelRow
from lipnet.shards.index import read_index
from lipnet.shards.storage import list_shards
from lipnet.shards.summary import read_labels_file, read_summary_file
from lipnet.shards.table import read_table
from lipnet.shards.tar import read_shard
from lipnet.sources.discover import SOURCES, discover_clips
from lipnet.sources.inventory import read_inventory
from lipnet.sources.manifest import read_clips
from lipnet.sources.manifest import read_summary as read_manifest
from lipnet.train.checkpoint import load_checkpoint
from lipnet.train.history import read_history
from pipeline.params import load_params
from tests.malformed.powers import obeying_permissions

Make = Callable[[Path], object]


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def dangle(path: Path) -> None:
    path.symlink_to("nowhere")


def forbid(path: Path) -> None:
    path.write_bytes(b"{}")
    path.chmod(0)


PLACES: dict[str, Make] = {
    "a folder": Path.mkdir,
    "a link to itself": loop,
    "a link to nowhere": dangle,
    "forbidden": forbid,
    "nothing": lambda path: None,
    "empty": Path.touch,
    "a JSON list": lambda path: path.write_text("[1]", encoding="utf-8"),
    "a deep JSON list": lambda path: path.write_text("[" * 1_500, encoding="utf-8"),
    "bytes": lambda path: path.write_bytes(bytes(range(256)) * 4),
}
# Each reader, and the name below the folder under which it looks.
READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "weights": ("w.safetensors", load_model),
    "card": ("w.safetensors", load_card),
    "shard": ("0.tar", lambda path: list(read_shard(path))),
    "shard index": ("0.json", read_index),
    "shard table": ("0.csv", read_table),
    "shards": ("train/000000.json", lambda path: list_shards(path.parents[1], "train")),
    "shards summary": ("summary.json", read_summary_file),
    "labels": ("labels.json", read_labels_file),
    "manifest": ("clips.csv", lambda path: read_clips(path.parent)),
    "manifest summary": ("summary.json", lambda path: read_manifest(path.parent)),
    "landmarks": ("0.npz", lambda path: read_track(path.parent, TrackSpan("0", 0, 1))),
    "landmark index": ("0.json", read_track_index),
    "landmarks summary": ("summary.json", lambda path: read_landmarks(path.parent)),
    "logits": ("g0.npz", read_logits),
    "face": ("face.npy", lambda path: load_face(str(path))),
    "authors' settings": ("config.json", read_spec),
    "authors' checkpoint": ("a.pth", read_tensors),
    "generation": ("generation.json", lambda path: read_generation(path.parent)),
    "lineage": ("lineage.json", lambda path: read_lineage(path.parent)),
    "history": ("history.csv", read_history),
    "inventory": ("inventory.tsv", read_inventory),
    "table": ("per_label.csv", lambda path: read_rows(path, LabelRow)),
    "metrics": ("metrics.json", read_mapping),
    "latencies": ("latency.json", read_kept),
    "params": ("params.yaml", load_params),
}
# For these, no file is no error. A table without a row is one for its callers.
ABSENT = ("nothing", "a link to nowhere", "a link to itself")
FINE = {
    *(("latencies", place) for place in ABSENT),
    ("shards", "nothing"),
    *(("table", place) for place in ("empty", "a JSON list", "a deep JSON list")),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("place", PLACES)
def test_a_file_that_is_something_else_is_one_line(place: str, reader: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    PLACES[place](path)
    if (reader, place) in FINE:
        assert not read(path)
        return
    with obeying_permissions(), pytest.raises(InputError, match="."):
        read(path)


@pytest.mark.parametrize("place", [place for place in PLACES if place not in ABSENT])
def test_a_checkpoint_that_is_something_else_is_one_line(place: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    PLACES[place](path)
    with obeying_permissions(), pytest.raises(InputError, match=r"checkpoint\.pt"):
        load_checkpoint(path)


@pytest.mark.parametrize("source", [name for name in SOURCES if name != "synthetic"])
@pytest.mark.parametrize("place", PLACES)
def test_a_root_that_is_something_else_is_one_line(place: str, source: str, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    PLACES[place](root)
    with obeying_permissions(), pytest.raises(InputError, match="corpus"):
        discover_clips(source, root, {})


@pytest.mark.parametrize("place", [place for place in PLACES if "JSON" not in place])
def test_a_landmark_model_that_is_something_else_is_one_line(place: str, tmp_path: Path) -> None:
    path = tmp_path / "model.dat"
    PLACES[place](path)
    if place in ("empty", "forbidden", "bytes"):
        return  # read, and refused, when it is loaded
    with pytest.raises(InputError, match=r"model\.dat"):
        find_predictor(str(path))
