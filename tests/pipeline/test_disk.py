"""Room on the disks: outputs, DVC's copies of them, recorded logits and decoded clips."""

from collections import namedtuple
from pathlib import Path

import pytest

from lipnet.errors import InputError
from pipeline import disk
from pipeline.disk import check_disk
from pipeline.estimate import DECODED, RECORDED, STORED, Estimate
from pipeline.paths import Paths

Usage = namedtuple("Usage", ["total", "used", "free"])
ROWS = [Estimate("shards", 1_000_000, 60.0), Estimate("models", 500_000, 3600.0)]


def set_free(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda place: Usage(free, 0, free))


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty repository as the working directory."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("settings", "need"),
    [
        (None, 3_000_000),
        ("[cache]\n    type = hardlink,symlink\n    dir = ../elsewhere\n", 1_500_000),
        ('[cache]\n    type = "hardlink,copy"\n', 1_500_000),
        ('[cache]\n    type = "copy,hardlink"\n', 3_000_000),
        ("[core]\n    autostage = true\n[cache]\n    type = copy\n", 3_000_000),
    ],
)
def test_dvc_keeps_a_copy_unless_it_links(
    monkeypatch: pytest.MonkeyPatch, settings: str | None, need: int
) -> None:
    if settings:
        Path(".dvc").mkdir()
        Path(".dvc/config").write_text(settings)
    set_free(monkeypatch, need)
    check_disk(ROWS, Paths("tiny"), repository=Path())
    set_free(monkeypatch, need - 1)
    with pytest.raises(InputError, match="free some space, or use a smaller profile") as raised:
        check_disk(ROWS, Paths("tiny"), repository=Path())
    assert ("let DVC use links" in str(raised.value)) == (need == 3_000_000)


def test_recordings_need_room_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [*ROWS, Estimate(RECORDED, 4_000_000, 0.0)]
    set_free(monkeypatch, 7_000_000)  # outputs count twice, because DVC copies them
    check_disk(rows, Paths("tiny"), repository=Path())
    set_free(monkeypatch, 6_999_999)
    with pytest.raises(InputError, match="free some space"):
        check_disk(rows, Paths("tiny"), repository=Path())


def test_existing_outputs_need_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Paths("tiny")
    for folder, size in ((paths.shards, 1_200_000), (paths.tmp, 400_000)):
        folder.mkdir(parents=True)
        (folder / "part").write_bytes(b"x" * size)
    set_free(monkeypatch, 200_000)
    check_disk(ROWS, paths, repository=Path())


def test_decoded_clips_count_for_the_disk_of_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [*ROWS, Estimate(DECODED, 4_000_000, 0.0)]
    decoded = tmp_path / "mount" / "decoded"
    set_free(monkeypatch, 7_000_000)
    check_disk(rows, Paths("tiny"), repository=Path(), kept={DECODED: decoded})
    set_free(monkeypatch, 6_999_999)
    with pytest.raises(InputError, match=r"workers\.cache empty: decoded clips take 4\.0 MB of it"):
        check_disk(rows, Paths("tiny"), repository=Path(), kept={DECODED: decoded})
    decoded.mkdir(parents=True)
    (decoded / "frames.u8").write_bytes(b"x" * 3_000_000)  # decoded already
    check_disk(rows, Paths("tiny"), repository=Path(), kept={DECODED: decoded})


def test_shards_in_a_folder_of_their_own_need_room_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, stored = [*ROWS[1:], Estimate(STORED, 4_000_000, 0.0)], tmp_path / "mount" / "shards"
    set_free(monkeypatch, 4_999_999)
    with pytest.raises(InputError, match=r"shards\.url to a place .*the shards take 4\.0 MB of it"):
        check_disk(rows, Paths("tiny"), repository=Path(), kept={STORED: stored})
    set_free(monkeypatch, 5_000_000)  # DVC has no copy of them
    check_disk(rows, Paths("tiny"), repository=Path(), kept={STORED: stored})


def test_a_disk_of_their_own_must_hold_the_decoded_clips_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [*ROWS, Estimate(DECODED, 4_000_000, 0.0)]
    decoded = Path("/dev/shm/lipnet-decoded")
    if not decoded.parent.is_dir() or decoded.parent.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    rooms = {tmp_path.stat().st_dev: 3_000_000, decoded.parent.stat().st_dev: 3_999_999}

    def measure(place: Path) -> Usage:
        return Usage(0, 0, rooms[place.stat().st_dev])

    monkeypatch.setattr(disk.shutil, "disk_usage", measure)
    with pytest.raises(InputError, match=r"the disk of /dev/shm has 4\.0 MB free, but about 4\.0"):
        check_disk(rows, Paths("tiny"), repository=Path(), kept={DECODED: decoded})
