"""`lipnet embed`: a line of counts, one line per failure, errors in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from lipnet import lease
from lipnet.cli.main import main
from lipnet.inference import embed
from tests.lipnet.inference.embedding import write_shards, write_weights
from tests.lipnet.video.making import FakeDetector, write_faces

Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def no_dlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "shared_detector", lambda *_: FakeDetector())


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_weights(tmp_path / "w.safetensors")


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return write_shards(tmp_path / "shards")


def run(weights: Path, out: Path, *arguments: Path | str) -> None:
    main(["embed", *map(str, arguments), "--weights", str(weights), "--out", str(out)])


def test_shards_become_one_file(
    tmp_path: Path,
    weights: Path,
    shards: Path,
    capsys: Printed,
) -> None:
    out = tmp_path / "e.npz"
    run(weights, out, "--shards", shards, "--split", "test")
    assert capsys.readouterr().out == f"5 clips x 64 features -> {out}; 0 failed\n"
    with np.load(out) as stored:
        assert stored["embeddings"].shape == (5, 64)
        assert stored["failed"].tolist() == stored["reasons"].tolist() == []


def test_a_device_is_leased_meanwhile(
    tmp_path: Path, weights: Path, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, leased = tmp_path / "e.npz", []

    @contextmanager
    def lease_device() -> Iterator[None]:
        yield
        leased.append(out.is_file())

    monkeypatch.setattr(lease, "lease_device", lease_device)
    run(weights, out, "--shards", shards)
    assert leased == [False]  # and not while the file is written


def test_videos_that_fail_are_lines_and_entries(
    tmp_path: Path,
    weights: Path,
    capsys: Printed,
) -> None:
    good, none, out = (
        write_faces(tmp_path / "good.mp4", 6),
        tmp_path / "none.mp4",
        tmp_path / "e.npz",
    )
    run(weights, out, good, none)
    assert capsys.readouterr().out.splitlines() == [
        f"{none}: failed, missing: no such file",
        f"1 clips x 64 features -> {out}; 1 failed",
    ]
    with np.load(out) as stored:
        assert stored["clip_ids"].tolist() == [str(good)]
        assert stored["failed"].tolist() == [str(none)]


def test_nothing_embedded_is_exit_status_1(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(SystemExit, match="error: none of 1 videos could be embedded"):
        run(weights, tmp_path / "e.npz", tmp_path / "none.mp4")
    assert (tmp_path / "e.npz").is_file()  # it has the reasons


@pytest.mark.parametrize(
    ("out", "arguments", "message"),
    [
        ("e.npz", [], "either videos or --shards"),
        ("e.npz", ["a.mp4", "--shards", "somewhere"], "either videos or --shards"),
        ("e.csv", ["a.mp4"], r"e\.csv: must be an \.npz file in a folder that exists"),
        (
            "no/where/e.npz",
            ["a.mp4"],
            r"where/e\.npz: must be an \.npz file in a folder that exists",
        ),
        ("e.npz", ["--shards", "nowhere"], "no shards in nowhere"),
        ("e.npz", ["a.mp4", "--split", "val"], "videos have no splits: leave out --split"),
        ("e.npz", ["--shards", "s", "--face", "f.npy"], "cropped already: leave out --face"),
    ],
)
def test_wrong_arguments_are_one_line(
    tmp_path: Path,
    weights: Path,
    out: str,
    arguments: list[str],
    message: str,
) -> None:
    with pytest.raises(SystemExit, match=message):
        run(weights, tmp_path / out, *arguments)


def test_an_unwritable_file_is_one_line(
    tmp_path: Path,
    weights: Path,
    shards: Path,
) -> None:
    (tmp_path / "e.npz").mkdir()
    with pytest.raises(SystemExit, match=r"e\.npz cannot be written: .*Is a directory"):
        run(weights, tmp_path / "e.npz", "--shards", shards)
