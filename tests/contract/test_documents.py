"""The documents: links lead somewhere, and the files that they name exist."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.contract.imports import ROOT

LISTED = subprocess.run(
    ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
)
DOCUMENTS = [
    name
    for name in LISTED.stdout.split()
    if (ROOT / name).is_file() and not name.startswith("docs/results/grid_study/")
]
README_LINES = 120


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_files_and_headings(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, heading = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), target
        if heading:
            assert heading in headings_of(file), target


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/glossary.md", "docs/architecture.md"])
def test_the_source_files_that_are_named_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_0-9]+\.(?:py|yaml|md))`", text)
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_table_of_changes_has_its_ten_rows() -> None:
    section = read_table_of_changes()
    assert len(re.findall(r"^\| an? ", section, re.MULTILINE)) + section.count("| smoothing") == 10


def test_the_names_in_the_table_of_changes_exist() -> None:
    names = set(re.findall(r"`([A-Za-z_][A-Za-z_0-9]+)(?:\.[a-z_]+)?`", read_table_of_changes()))
    packages = ("lipnet", "pipeline", "tracking", "stages", "flows")
    files = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    used = {word for path in files for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
    assert names - used == set()


def read_table_of_changes() -> str:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text.split("## Where to change what")[1].split("\n## ")[0]


def test_the_readme_stays_short() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= README_LINES


def headings_of(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", text.lower()).replace(" ", "-") for text in found}
