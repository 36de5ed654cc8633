"""`lipnet teach --no-page` and `--delete`: what they print, and what they refuse."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest

from lipnet.cli import teach
from lipnet.cli.main import main
from lipnet.labels import BACKGROUND
from lipnet.measure.accuracy import Estimate
from lipnet.measure.confusion import LookAlike
from lipnet.models.weights import ModelCard
from lipnet.shards.index import ClipFailure
from lipnet.teach.takes import add_take, lock_root
from lipnet.teach.training import HeldBack, Taught
from tests.lipnet.inference.embedding import write_weights

Printed = pytest.CaptureFixture[str]
HELD_BACK = HeldBack(
    words=Estimate(0.75, 0.3, 0.95, 4, 4),
    pauses=Estimate(1.0, 0.7, 1.0, 8, 4),
    per_word={"no": (1, 2), "yes": (2, 2)},
    confused=[LookAlike("no", "yes", 1, 4), LookAlike(BACKGROUND, "no", 1, 10)],
)
CARD = ModelCard("resnet18 + tcn_1x", [BACKGROUND, "no", "yes"], {}, {})


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("released") / "w.safetensors")


@pytest.fixture
def taught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Taught:
    """What the library returns in place of a training."""
    failures = [ClipFailure(f"yes/take-00{n}", "no_face", "no face") for n in range(7)]
    clips = {"train": 30, "val": 6, "test": 12}
    found = Taught(tmp_path / "w.safetensors", CARD, clips, 40, failures, HELD_BACK)
    monkeypatch.setattr("lipnet.teach.training.teach", lambda *given, **settings: found)
    return found


def test_what_the_model_reads_is_printed(taught: Taught, tmp_path: Path, capsys: Printed) -> None:
    main(["teach", str(tmp_path), "--no-page", "--words", "yes,no"])
    printed = capsys.readouterr().out
    assert "words    75.0%  (95 %: 30.0% to 95.0%, 4 clips)" in printed
    assert "pauses  100.0%  (95 %: 70.0% to 100.0%, 8 clips)" in printed
    assert "missed: no (1 of 2 read right)\n" in printed
    assert "confused: no and yes (1 of 4), pauses and no (1 of 10)\n" in printed
    assert "not used: yes/take-004: no_face (no face)\nnot used: 2 more takes" in printed
    assert f"lipnet live --weights {taught.path} --camera 0" in printed


def test_json(taught: Taught, tmp_path: Path, capsys: Printed) -> None:
    main(["teach", str(tmp_path), "--no-page", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["words"] == {"top1": 0.75, "low": 0.3, "high": 0.95, "clips": 4}
    assert found["confused"][0] == ["no", "yes", 1, 4]


def test_the_page_that_reads_is_written_too(
    taught: Taught, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setattr(teach, "check_web", lambda folder: None)
    written: list[tuple[Path, Path]] = []

    def write_page(weights: Path, folder: Path) -> SimpleNamespace:
        written.append((weights, folder))
        return SimpleNamespace(folder=folder, bytes=10**6, is_large=False)

    monkeypatch.setattr("lipnet.web.folder.write_page", write_page)
    main(["teach", str(tmp_path), "--no-page", "--web", str(tmp_path / "page")])
    assert written == [(tmp_path / "taught.safetensors", tmp_path / "page")]
    assert "page: 1.0 MB, works without a network" in capsys.readouterr().out


def test_no_pauses_is_stated() -> None:
    without = replace(HELD_BACK, pauses=None, confused=[])
    lines = teach.format_held_back(without, ["no", "yes"])
    assert any("the model has no background" in line for line in lines)
    assert "confused: none" in lines
    lines = teach.format_held_back(without, CARD.labels)
    assert "pauses  no take that was held back has any" in lines


def test_the_bar_is_a_line_per_tenth_without_a_terminal(capsys: Printed) -> None:
    show = teach.make_bar()
    for done in [*range(1, 31), 30]:
        show("training", done, 30)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"training {done} of 30" for done in np.arange(3, 31, 3)]


def test_the_page_is_served_until_it_is_interrupted(
    tmp_path: Path, released: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    opened: list[str] = []

    def interrupt(seconds: float) -> None:
        state = httpx.get(f"{opened[0]}state").json()
        assert [own["word"] for own in state["words"]] == ["yes", "no"]
        assert (state["wanted"], state["folder"]) == (7, str(tmp_path / "takes"))
        raise KeyboardInterrupt

    monkeypatch.setattr(teach.webbrowser, "open", opened.append)
    monkeypatch.setattr("lipnet.cli.demo.time.sleep", interrupt)
    given = ["--words", "yes,no", "--takes", "7", "--from", str(released)]
    main(["teach", str(tmp_path / "takes"), *given])
    assert f"{opened[0]} is open until Ctrl+C" in capsys.readouterr().out
    with pytest.raises(httpx.ConnectError):
        httpx.get(opened[0])


def test_takes_are_deleted(tmp_path: Path, capsys: Printed) -> None:
    (tmp_path / "recorded.webm").write_bytes(b"x")
    add_take(tmp_path, "yes", tmp_path / "recorded.webm")
    (tmp_path / "taught.safetensors").write_bytes(b"x")
    with lock_root(tmp_path), pytest.raises(SystemExit, match="another `lipnet teach` uses"):
        main(["teach", str(tmp_path), "--delete"])
    main(["teach", str(tmp_path), "--delete"])
    printed = capsys.readouterr().out
    assert "1 takes deleted" in printed
    assert printed.endswith(": taught.safetensors\n")
    assert not (tmp_path / "yes").exists()


def test_videos_that_the_page_did_not_record_are_kept(tmp_path: Path, capsys: Printed) -> None:
    mine = [tmp_path / "yes" / f"take-00{number}.mp4" for number in range(1, 8)]
    (tmp_path / "yes").mkdir()
    for video in mine:
        video.write_bytes(b"mine")
    with pytest.raises(SystemExit, match="nothing was deleted"):
        main(["teach", str(tmp_path), "--delete"])
    with lock_root(tmp_path):
        pass
    main(["teach", str(tmp_path), "--delete"])
    printed = capsys.readouterr().out
    assert "0 takes deleted" in printed
    assert "kept: yes/take-001.mp4" in printed
    assert "yes/take-005.mp4 and 2 more: not in the list of what the page recorded" in printed
    assert all(video.exists() for video in mine)


def test_the_weights_to_start_from_are_kept(released: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.safetensors"
    link.symlink_to(released)
    with pytest.raises(SystemExit, match="--out .* has the weights to start from"):
        main(["teach", str(tmp_path), "--no-page", "--from", str(released), "--out", str(link)])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["none", "--no-page"], "none does not exist"),
        ([".", "--no-page", "--from", "none.safetensors"], "--from none.safetensors does not"),
        ([".", "--no-page", "--epochs", "-1"], "--epochs must be in 0..1000"),
        ([".", "--no-page", "--out", "a.onnx"], "--out a.onnx: a .safetensors"),
        ([".", "--no-page", "--words", "yes,../no"], "has one of /"),
        ([".", "--no-page"], "has no takes: record some on the page"),
        ([".", "--takes", "2"], "--takes must be in 3..999"),
        ([".", "--port", "70000"], "--port must be in 0..65535"),
        ([".", "--no-page", "--web", "none/page"], "--web none/page: none is not a folder"),
        ([".", "--no-page", "--web", "."], "--web . would replace the current folder"),
        ([".", "--delete"], "nothing was deleted"),
        (
            [".", "--delete", "--words", "yes", "--json"],
            "--delete goes with no other option: leave out --words, --json",
        ),
        ([".", "--json"], "--json needs --no-page"),
        (
            [".", "--no-page", "--takes", "9", "--port", "80", "--no-browser"],
            "--no-page records no takes: leave out --takes, --port, --no-browser",
        ),
    ],
)
def test_what_cannot_be_taught_is_one_line(
    arguments: list[str], error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=error):
        main(["teach", *arguments])
