"""The inventory of a corpus."""

import re
from pathlib import Path

import pytest

from lipnet.errors import InputError
from lipnet.sources.inventory import (
    Entry,
    compare_inventories,
    read_inventory,
    scan_inventory,
    write_inventory,
)


def make_corpus(root: Path) -> Path:
    for name, size in (("s1/a.mpg", 3), ("alignments/s1/a.align", 2), (".git/x", 1)):
        path = root / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * size)
    (root / "NOTICE").write_text("no part of the corpus")
    return root


def test_scan_counts_the_files_of_the_corpus(tmp_path: Path) -> None:
    found = scan_inventory(make_corpus(tmp_path))
    assert {path: entry.size for path, entry in found.items()} == {
        "alignments/s1/a.align": 2,
        "s1/a.mpg": 3,
    }


def test_a_folder_of_numbered_images_is_one_entry(tmp_path: Path) -> None:
    for name in ("images/f/1.jpg", "images/f/2.jpg", "images/g/1.png", "images/g/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"xx")
    found = scan_inventory(tmp_path)
    assert [entry.size for entry in found.values()] == [4, 2, 2]
    assert re.fullmatch(r"images/f/ \(2 images, [0-9a-f]{16}\)", next(iter(found)))
    assert list(found)[1:] == ["images/g/1.png", "images/g/notes.txt"]


def test_images_renamed_or_of_other_sizes_with_the_same_sum_are_a_change(tmp_path: Path) -> None:
    folder = tmp_path / "images/f"
    folder.mkdir(parents=True)
    (folder / "1.jpg").write_bytes(b"x")
    (folder / "2.jpg").write_bytes(b"xxx")
    before = scan_inventory(tmp_path)
    assert not compare_inventories(before, scan_inventory(tmp_path))
    (folder / "2.jpg").rename(folder / "3.jpg")
    renamed = scan_inventory(tmp_path)
    assert compare_inventories(before, renamed)
    (folder / "1.jpg").write_bytes(b"xx")
    (folder / "3.jpg").write_bytes(b"xx")
    assert compare_inventories(renamed, scan_inventory(tmp_path))


def test_written_inventory_reads_back(tmp_path: Path) -> None:
    sizes = scan_inventory(make_corpus(tmp_path / "corpus")) | {r"s1/odd\tname": Entry(-1)}
    write_inventory(tmp_path / "inventory.tsv", sizes)
    assert read_inventory(tmp_path / "inventory.tsv") == sizes


def test_changes_are_distinguished() -> None:
    before = {"a": Entry(1), "b": Entry(2), "c": Entry(3)}
    changes = compare_inventories(before, {"a": Entry(1), "b": Entry(5), "d": Entry(4)})
    assert (changes.added, changes.removed, changes.resized) == (["d"], ["c"], ["b"])
    assert not compare_inventories({"a": Entry(1)}, {"a": Entry(1)})


def test_an_annotation_of_the_same_size_with_other_contents_is_a_change(tmp_path: Path) -> None:
    root = make_corpus(tmp_path / "corpus")
    write_inventory(tmp_path / "inventory.tsv", scan_inventory(root))
    before = read_inventory(tmp_path / "inventory.tsv")
    (root / "alignments/s1/a.align").write_bytes(b"yy")
    changes = compare_inventories(before, scan_inventory(root))
    assert (changes.edited, changes.resized) == (["alignments/s1/a.align"], [])
    (tmp_path / "inventory.tsv").write_text("alignments/s1/a.align\t2\ns1/a.mpg\t3\n")
    earlier = read_inventory(tmp_path / "inventory.tsv")  # without digests
    assert not compare_inventories(earlier, scan_inventory(root))


def test_malformed_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "inventory.tsv").write_text("a\t1\nb 2\n")
    with pytest.raises(InputError, match=r"inventory\.tsv line 2"):
        read_inventory(tmp_path / "inventory.tsv")
