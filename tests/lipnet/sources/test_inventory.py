"""The inventory of a corpus."""

from pathlib import Path

import pytest

from lipnet.errors import InputError
from lipnet.sources.inventory import (
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
    assert scan_inventory(make_corpus(tmp_path)) == {"alignments/s1/a.align": 2, "s1/a.mpg": 3}


def test_written_inventory_reads_back(tmp_path: Path) -> None:
    sizes = scan_inventory(make_corpus(tmp_path / "corpus")) | {r"s1/odd\tname": -1}
    write_inventory(tmp_path / "inventory.tsv", sizes)
    assert read_inventory(tmp_path / "inventory.tsv") == sizes


def test_changes_are_told_apart() -> None:
    changes = compare_inventories({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 5, "d": 4})
    assert (changes.added, changes.removed, changes.resized) == (["d"], ["c"], ["b"])
    assert not compare_inventories({"a": 1}, {"a": 1})


def test_line_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "inventory.tsv").write_text("a\t1\nb 2\n")
    with pytest.raises(InputError, match=r"inventory\.tsv line 2"):
        read_inventory(tmp_path / "inventory.tsv")
