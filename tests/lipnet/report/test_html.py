"""The page in one file: figures inside, tables complete, nothing fetched from elsewhere."""

import base64
import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lipnet.errors import InputError
from lipnet.report import latencies, write
from lipnet.report.html import write_html
from lipnet.report.leaderboard import write_leaderboard
from lipnet.report.markdown import join, verbatim
from lipnet.report.study import Study
from lipnet.report.write import write_report
from lipnet.selection.selection import write_selection
from tests.lipnet.report.fabricated import fabricate, write_fake_figures


class Reader(HTMLParser):
    """Counts rows, collects images and links, and checks that every element is closed."""

    VOID = ("meta", "img", "br", "hr")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows = 0
        self.images: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.rows += tag == "tr"
        found = dict(attrs)
        self.images += [str(found["src"])] if tag == "img" else []
        self.links += [str(found["href"])] if tag in ("a", "link") else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in self.VOID or self.open.pop() == tag


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setattr(write, "write_figures", write_fake_figures)
    monkeypatch.setattr(latencies, "measure_all", lambda rows, study: {})
    study = Study(tmp_path / "a<b>")
    fabricate(study, slots=True)
    write_selection(study.logits_val, study.selection)
    write_report(study, {"source": "grid"})
    study.quality_page.parent.mkdir()
    study.quality_page.touch()
    write_leaderboard(study)
    return study


def test_the_page_is_complete_and_self_contained(study: Study) -> None:
    text = (study.report / "report.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    markdown = (study.report / "report.md").read_text(encoding="utf-8")
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    rules = [line for line in markdown.splitlines() if re.match(r"\|( ?-+:? ?\|)+$", line)]
    assert reader.rows == len(rows) - sum(rule in rows for rule in rules)
    assert len(reader.images) == markdown.count("![")
    for image in reader.images:
        kind, _, content = image.partition(",")
        assert kind == "data:image/svg+xml;base64"
        assert b"<svg" in base64.b64decode(content)
    assert reader.links[0] == "../quality/quality.html"
    for link in reader.links:
        assert (study.report / link).exists()
    assert "<title>Report of profile a&lt;b&gt;</title>" in text


def test_a_label_is_text_and_nothing_else(tmp_path: Path) -> None:
    label = "<script>alert(1)</script>|`x`![a](http://b)*c*"
    page = tmp_path / "report.md"
    rows = [join(["label", "clips"]), join(["---", "---:"]), join([verbatim(label), "3"])]
    page.write_text("\n".join(["# Report", "", *rows, ""]), encoding="utf-8")
    write_html(page)
    text = page.with_suffix(".html").read_text(encoding="utf-8")
    assert f"<td>{html.escape(label, quote=False)}</td>" in text
    assert not any(mark in text for mark in ("<script", "<img", "<code", "<em"))


@pytest.mark.slow
def test_a_missing_figure_is_named(study: Study) -> None:
    (study.report / "figures" / "confusion.svg").unlink()
    with pytest.raises(InputError, match=r"no .*confusion\.svg: run `dvc repro report` first"):
        write_html(study.report / "report.md")
