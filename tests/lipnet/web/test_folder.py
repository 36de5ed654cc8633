"""The folder of the page holds all that it needs; what cannot become a page is one clear line."""

import json
import re
from pathlib import Path

import pytest

from lipnet.cli.main import main
from lipnet.crops.align import load_face
from lipnet.crops.crop import RECORDED
from lipnet.errors import InputError
from lipnet.export.parity import Parity
from lipnet.labels import BACKGROUND
from lipnet.models.weights import copy_weights, load_card
from lipnet.single.export import Exported
from lipnet.web import folder as pages
from lipnet.web import runtime
from lipnet.web.folder import PAGE, check_folder, describe_model, write_page
from lipnet.web.runtime import FILES, MODULES, PACKAGE, read_runtime
from tests.lipnet.inference.embedding import THRESHOLDS, write_weights

NEEDS_RUNTIME = pytest.mark.skipif(
    not (MODULES / PACKAGE).is_dir(), reason=f"no {PACKAGE} in web/node_modules (make web)"
)
Printed = pytest.CaptureFixture[str]


@pytest.mark.slow
@NEEDS_RUNTIME
def test_every_file_that_the_page_names_is_in_its_folder(exported: Path) -> None:
    page = exported / "page"
    facts = json.loads((page / "model.json").read_text())
    named = [*facts["files"].values(), "runtime/ort.wasm.min.mjs", "licences/index.html"]
    for path in page.glob("*.js"):
        named += re.findall(r'from "\./([^"]+)"', path.read_text())
    named += re.findall(r'(?:src|href)="([^"/]+)"', (page / "index.html").read_text())
    assert all((page / name).is_file() for name in named)
    assert facts["crops"]["face"] == load_face("mesh").tolist()
    assert facts["landmarks"] == {"trained": "mesh", "used": "mesh"}
    size = sum(path.stat().st_size for path in page.rglob("*") if path.is_file())
    assert size < pages.MAX_BYTES


def test_the_policy_of_the_page_allows_nothing_from_elsewhere() -> None:
    text = "".join(path.read_text() for path in PAGE.iterdir())
    policy = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert len(policy) == 1
    assert policy[0].startswith("default-src 'none';")
    assert "http" not in policy[0]
    assert "unsafe-inline" not in policy[0]
    addresses = set(re.findall(r"https?://[\w.:/]+", text))
    assert addresses == {"http://127.0.0.1:8000", "http://www.w3.org/2000/svg"}
    assert not re.search(r"""<script>|<style|\sstyle=|\son\w+=["']|innerHTML""", text)


def test_facts_of_a_model_with_a_background(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "w.safetensors", labels=["A", "B", BACKGROUND])
    facts = describe_model(load_card(weights), weights, "")
    assert (facts["background"], facts["threshold"], facts["isChosen"]) == (BACKGROUND, 0.5, False)
    assert facts["landmarks"] == {"trained": "dlib", "used": "mesh"}
    assert facts["frames"] == 29


def test_the_page_knows_every_option_of_crops(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "w.safetensors")
    crops = describe_model(load_card(weights), weights, "")["crops"]
    options = {re.sub("_(.)", lambda found: found[1].upper(), name) for name in (*RECORDED, "face")}
    assert isinstance(crops, dict)
    assert crops.keys() == options, "the page also crops: lipnet/web/folder.py and page/crops.js"
    script = (PAGE / "crops.js").read_text()
    assert [name for name in options if not re.search(rf"\b{name}\b", script)] == []


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights of which a page is written, without its networks and its runtime."""
    path = write_weights(tmp_path / "w.safetensors")
    copy_weights(path, path, THRESHOLDS)
    exported = Exported([], load_card(path), [], Parity({}))
    monkeypatch.setattr(pages, "export_model", lambda *_, **__: exported)
    monkeypatch.setattr(pages, "read_runtime", lambda _: {})
    monkeypatch.setattr(pages, "convert", lambda _: b"")
    return path


@pytest.mark.parametrize(("int8", "expected"), [(None, 0.7), (Path("shards"), 0.9)])
def test_a_threshold_is_that_of_the_exported_weights(
    weights: Path, tmp_path: Path, int8: Path | None, expected: float
) -> None:
    write_page(weights, tmp_path / "page", int8=int8)
    facts = json.loads((tmp_path / "page" / "model.json").read_text())
    assert (facts["threshold"], facts["isChosen"]) == (expected, int8 is None)


def test_a_folder_of_something_else_is_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty and holds no page: name a new folder"):
        check_folder(tmp_path)
    with pytest.raises(InputError, match=r"thesis.txt is not a folder"):
        check_folder(tmp_path / "thesis.txt")
    with pytest.raises(InputError, match="absent is not a folder"):
        check_folder(tmp_path / "absent" / "page")


@pytest.mark.parametrize("name", [".git/HEAD", "CNAME", "runtime/notes.txt", "w.safetensors"])
def test_a_page_with_other_files_is_kept(weights: Path, tmp_path: Path, name: str) -> None:
    page, example = tmp_path / "page", tmp_path / "a.mp4"
    example.write_bytes(b"a video")
    for _ in range(2):  # a page alone is replaced
        write_page(weights, page, example=example)
    (page / name).parent.mkdir(exist_ok=True)
    (page / name).write_text("mine")
    with pytest.raises(InputError, match=r"page holds \S+, which is not part of a page and would"):
        write_page(weights, page)
    assert (page / name).read_text() == "mine"


@pytest.mark.parametrize("content", ["{}", "[", '{"files": {"head": "a.onnx"}}'])
def test_a_model_json_of_another_program_is_no_page(tmp_path: Path, content: str) -> None:
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(InputError, match="holds no page"):
        check_folder(tmp_path)


@pytest.mark.parametrize("folder", [".", "..", "../page"])
def test_the_current_folder_is_not_replaced(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / "page").mkdir()
    monkeypatch.chdir(tmp_path / "page")
    with pytest.raises(InputError, match="would replace the current folder: name another"):
        write_page(weights, Path(folder))


def test_a_model_that_needs_the_word_is_refused(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "w.safetensors", "resnet18_0.125x + tcn_0.25x + boundary")
    with pytest.raises(InputError, match="needs the frames of the word"):
        write_page(weights, tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_a_missing_or_other_runtime_is_an_error(tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="not found in .*: run `make web`"):
        write_page(weights, tmp_path / "page", modules=tmp_path)
    dist = tmp_path / PACKAGE / "dist"
    dist.mkdir(parents=True)
    for name in FILES:
        (dist / name).write_text("another version")
    with pytest.raises(InputError, match="is of another version than pinned"):
        read_runtime(tmp_path)


def test_an_installed_package_takes_the_runtime_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "MODULES", tmp_path / "site-packages" / "web" / "node_modules")
    monkeypatch.chdir(tmp_path)
    assert runtime.find_modules() == tmp_path / "web" / "node_modules"
    own = tmp_path / "site-packages" / "web" / "node_modules" / PACKAGE
    own.mkdir(parents=True)
    assert runtime.find_modules() == own.parent


def test_out_and_web_exclude_each_other(capsys: Printed) -> None:
    for given in ([], ["--out", "m.onnx", "--web", "page"]):
        with pytest.raises(SystemExit):
            main(["export", "w.safetensors", *given])
    assert "--web" in capsys.readouterr().err
