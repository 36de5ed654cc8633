"""Folders of numbered images: the frames asked for, or the reason why not."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from lipnet.video.decode import VideoError
from lipnet.video.images import digest_images, find_images, read_images


def write_images(folder: Path, levels: dict[str, int], *, side: int = 40) -> Path:
    """Images of one grey level each, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, level in levels.items():
        cv2.imwrite(str(folder / name), np.full((side, side, 3), level, np.uint8))
    return folder


def fail(folder: Path, first: int, last: int) -> VideoError:
    with pytest.raises(VideoError) as caught:
        read_images(find_images(folder, first, last), 32)
    return caught.value


def test_frames_come_in_order_of_their_numbers(tmp_path: Path) -> None:
    folder = write_images(tmp_path, {f"{n}.png": 2 * n for n in range(1, 13)})
    crops = read_images(find_images(folder, 7, 12), 32)
    assert crops.shape == (5, 32, 32)
    assert crops.dtype == np.uint8
    assert crops.mean(axis=(1, 2)).tolist() == [16, 18, 20, 22, 24]


def test_padded_numbers_and_other_files_do_not_matter(tmp_path: Path) -> None:
    folder = write_images(tmp_path, {"0001.jpg": 10, "02.JPEG": 20, "3.bmp": 30})
    (folder / "Thumbs.db").write_bytes(b"x")
    (folder / "4.txt").write_bytes(b"x")
    assert [path.name for path in find_images(folder, 0, 3)] == ["0001.jpg", "02.JPEG", "3.bmp"]
    assert fail(folder, 0, 4).detail == "no image is frame 4 of the 3 in the folder"


@pytest.mark.parametrize("size", [20, 40, 112])
def test_images_of_any_size_and_shape_become_squares(tmp_path: Path, size: int) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), np.full((60, 48), 77, np.uint8))
    crops = read_images(find_images(tmp_path, 0, 1), size)
    assert crops.shape == (1, size, size)
    assert (crops == 77).all()


def test_what_cannot_be_read_has_a_reason(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "a", {f"{n}.jpg": 100 for n in range(1, 6)})
    whole = (folder / "1.jpg").read_bytes()
    (folder / "2.jpg").write_bytes(b"")
    (folder / "3.jpg").write_bytes(b"no picture")
    (folder / "4.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "05.jpg").write_bytes(whole)
    reasons = [(fail(folder, n - 1, n).reason, fail(folder, n - 1, n).detail) for n in (2, 3, 4, 5)]
    assert reasons == [
        ("unreadable_frame", "2.jpg is empty or cannot be read"),
        ("unreadable_frame", "3.jpg cannot be decoded (not a PNG, JPEG or BMP)"),
        ("unreadable_frame", "4.jpg is cut short"),
        ("frame_missing", "05.jpg and 5.jpg are both frame 5 of the 5 in the folder"),
    ]
    assert fail(tmp_path / "none", 0, 1).reason == "missing"


def test_a_digest_follows_the_bytes_and_their_order(tmp_path: Path) -> None:
    folder = write_images(tmp_path, {"1.png": 1, "2.png": 2})
    images = find_images(folder, 0, 2)
    before = digest_images(images)
    assert digest_images(images[::-1]) != before
    write_images(folder, {"2.png": 3})
    assert digest_images(images) != before
