"""`lipnet import-checkpoint`: its weights can be used, and its input is checked."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from lipnet.cli.main import main
from lipnet.crops.align import face_digest, load_face
from lipnet.inference.read import crop_options_of
from lipnet.models.weights import load_card, load_model
from lipnet.recipe import Recipe
from tests.lipnet.authors.fabricated import (
    CONFIGS,
    SPECS,
    make_frames,
    read_logits,
    write_released,
)

SMALL = "lrw_snv05x_tcn1x"
Pair = tuple[Path, Path]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return write_released(tmp_path_factory.mktemp("released"), SMALL)


@pytest.fixture
def face(tmp_path: Path) -> Path:
    """The package's face, enlarged by a hundredth about its middle."""
    ours = load_face()
    np.save(tmp_path / "face.npy", ours.mean(0) + 1.01 * (ours - ours.mean(0)))
    return tmp_path / "face.npy"


def import_released(pair: Pair, out: Path, *options: str | Path) -> Path:
    checkpoint, config = map(str, pair)
    main(
        ["import-checkpoint", checkpoint, "--config", config, "--out", str(out), *map(str, options)]
    )
    return out / "weights.safetensors"


def test_the_weights_hold_all_that_reading_needs(
    released: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = import_released(released, tmp_path / "out")
    card = load_card(weights)
    assert card.spec == SPECS[SMALL]
    assert card.labels[:2] == ["class-000", "class-001"]
    assert len(card.labels) == 500
    assert card.preprocessing["fps"] == 25
    assert card.preprocessing["reference_face"] == face_digest()
    options = crop_options_of(card.preprocessing, weights)
    assert (options.size, options.smooth, options.smooth_centre) == (96, 12, 1)
    recipe = Recipe.for_input(card.preprocessing)
    assert (recipe.field, recipe.input_size, recipe.mean, recipe.std) == (88, 88, 0.421, 0.165)
    assert card.origin["imported"] == f"{SMALL}.pth"
    printed = capsys.readouterr().out
    assert (
        "class-000, class-001, ... (the authors' class order for LRW is the sorted list" in printed
    )
    assert "reference face: the package's" in printed
    assert f"{weights}: {SPECS[SMALL]}, 500 classes" in printed


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [SMALL, *(pytest.param(c, marks=pytest.mark.slow) for c in CONFIGS if c != SMALL)]
)
def test_imported_weights_give_the_authors_logits(name: str, tmp_path: Path) -> None:
    weights = import_released(write_released(tmp_path, name), tmp_path / "out")
    model, _ = load_model(weights)
    frames_BTHW, lengths_B, word_BT = make_frames()
    expected_BK = read_logits(name)
    with torch.inference_mode():
        found_BK = model(frames_BTHW.float(), lengths_B, word_BT).numpy()
    assert np.abs(found_BK - expected_BK).max() < 1e-3 * expected_BK.std()


def test_equal_files_give_equal_bytes(released: Pair, tmp_path: Path) -> None:
    once, again = (import_released(released, tmp_path / name) for name in ("a", "b"))
    assert once.read_bytes() == again.read_bytes()


def test_labels_are_one_word_per_line(
    released: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = sorted(f"WORD{number}" for number in range(500))
    file = tmp_path / "words.txt"
    file.write_text("\n".join(words) + "\n", encoding="utf-8-sig")  # as Windows writes it
    assert load_card(import_released(released, tmp_path, "--labels", file)).labels == words
    assert "sorted" not in capsys.readouterr().out
    file.write_text("\r\n".join(reversed(words)))
    assert load_card(import_released(released, tmp_path, "--labels", file)).labels == words[::-1]
    assert f"note: {file} is not sorted" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ABOUT\nABOVE\n", "has 2 labels for a model of 500 classes"),
        (b"ABOUT\nABOVE\nABOUT\n", "names ABOUT more than once"),
        (b"", "has 0 labels"),
        (b"\xff\xfe\x00", "is not a readable list of labels"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    released: Pair, tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "words.txt"
    file.write_bytes(content)
    with pytest.raises(SystemExit, match=rf"error: .*words\.txt .*{message}"):
        import_released(released, tmp_path / "out", "--labels", file)
    assert not (tmp_path / "out").exists()


def test_the_authors_face_is_recorded_and_its_distance_printed(
    released: Pair, tmp_path: Path, face: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = import_released(released, tmp_path / "out", "--face", face)
    facts = load_card(weights).preprocessing
    assert facts["reference_face"] == face_digest(str(face)) != face_digest()
    assert crop_options_of(facts, weights, str(face)).face == str(face)
    printed = capsys.readouterr().out
    assert re.search(r"px over the stable points \(0\.00 after the best similarity\)", printed)
    assert "1.0100 times as large, turned by +0.00 degrees" in printed.replace("-0.00", "+0.00")


@pytest.mark.slow
def test_the_parts_that_are_wrong_are_one_line_each(
    released: Pair, tmp_path: Path, face: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(SystemExit, match=r"error: .*absent\.pth cannot be read"):
        import_released((tmp_path / "absent.pth", released[1]), out)
    with pytest.raises(SystemExit, match=r"error: .*absent\.json"):
        import_released((released[0], tmp_path / "absent.json"), out)
    with pytest.raises(SystemExit, match=r"error: .*absent\.npy is not a reference face"):
        import_released(released, out, "--face", tmp_path / "absent.npy")
    np.save(face, np.full((68, 2), np.nan))
    with pytest.raises(SystemExit, match=r"face\.npy is not a reference face.*finite"):
        import_released(released, out, "--face", face)
    assert not out.exists()
    out.write_text("in the way")
    with pytest.raises(SystemExit, match="error: --out .*exists"):
        import_released(released, out)


@pytest.mark.slow
def test_a_real_video_can_be_read_with_imported_weights(
    released: Pair, tmp_path: Path, grid_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = import_released(released, tmp_path)
    capsys.readouterr()
    video = min((grid_root / "s2").glob("*.mpg"))
    main(["read", str(video), "--weights", str(weights), "--top", "500", "--json"])
    answers = json.loads(capsys.readouterr().out)["answers"]
    assert {answer["label"] for answer in answers} == set(load_card(weights).labels)
    assert sum(answer["probability"] for answer in answers) == pytest.approx(1, abs=1e-4)
