"""The documents: links lead somewhere, and the files that they name exist."""

import re
import subprocess
from pathlib import Path

import pytest

from lipnet.how import STEPS
from lipnet.recipe import DISTILLATIONS, OFF
from lipnet.sources.discover import SOURCES
from lipnet.spec import BACKBONES, CLIP_NETS, HEADS
from tests.contract.deployments import DEPLOYMENTS
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
    assert len(lines) <= README_LINES, "add to a row or line that exists, or write it in docs/"


def test_the_grammar_names_all_that_a_spec_and_a_compression_can() -> None:
    grammar = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    names = [*BACKBONES, *CLIP_NETS, *HEADS, *STEPS]
    assert [name for name in names if not re.search(f'"{name}_?"', grammar)] == []


def test_the_tables_name_every_step_source_and_deployment() -> None:
    use, data, operations = (
        (ROOT / f"docs/{name}.md").read_text(encoding="utf-8")
        for name in ("use", "data", "operations")
    )
    assert [name for name in STEPS if f"\n| `{name}" not in use] == []
    listed = re.findall(r"^\| (`[^|]*`) \|", data, re.MULTILINE)
    assert {name for names in listed for name in re.findall(r"`(\w+)`", names)} >= set(SOURCES)
    rows = [
        f"\n| `{own.flow}/{own.name}` | {own.pool} | {', '.join(own.parameters)}"
        for own in DEPLOYMENTS
    ]
    assert [row for row in rows if row not in operations] == []


def test_the_table_of_recipes_names_every_loss_and_every_field_that_can_be_off() -> None:
    training = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    table = training.split("## Recipe, beyond the paper")[1].split("\n\n`initial`")[0]
    assert [name for name in OFF if f"`{name}`" not in table] == []
    row = table.split("\n| `distillation` |")[1].split("\n")[0]
    assert [name for name in DISTILLATIONS if f"`{name}`" not in row] == []


def headings_of(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", text.lower()).replace(" ", "-") for text in found}
