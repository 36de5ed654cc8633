"""A page as one HTML file with its pictures inlined; a browser fetches nothing else."""

import base64
import html
import re
from pathlib import Path

from markdown_it import MarkdownIt

from lipnet.errors import InputError
from lipnet.files import write_atomic

GROUP = re.compile(
    r"<tr>\n<td>(?P<name><strong>[^\n]*</strong>)</td>\n(?P<rest>(?:<td[^>]*></td>\n)+)</tr>"
)
HEADING = re.compile(r"<th[ >].*?</th>")
IMAGE = re.compile(r'<img src="(?P<place>[a-z_/]+)\.png"')
MEDIA = {".svg": "image/svg+xml", ".png": "image/png"}
STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff;
  max-width: 80rem; margin: 2rem auto; padding: 0 1.25rem; }
h1, h2, h3 { line-height: 1.2; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #d5d5d5; padding-bottom: .25rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .5rem; border-bottom: 1px solid #e4e4e4; text-align: left;
  vertical-align: top; }
th { border-bottom: 2px solid #9a9a9a; }
td[style*="right"] { white-space: nowrap; }
tr:hover td { background: #f4f7fa; }
td:first-child { min-width: 13rem; }
td code { font-size: .86em; white-space: nowrap; }
tr.group td { padding-top: .9rem; white-space: nowrap; }
.figure { overflow-x: auto; }
.figure img { display: block; max-width: 100%; height: auto; }
@media (max-width: 40rem) {
  body { margin: 1rem auto; padding: 0 .75rem; }
  td:first-child { min-width: 7.5rem; max-width: 9rem; }
  td:first-child:not([colspan]), th:first-child { position: sticky; left: 0; background: #fff; }
  .figure img { max-width: none; width: 44rem; }
}
code { font-size: .92em; background: #f3f3f3; padding: 0 .2em; border-radius: 3px; }
"""


def write_html(page: Path, *, pictures: str = ".svg") -> None:
    """Write the markdown page as .html next to it, with its pictures' files of that kind inlined.

    The markdown names each picture by its .png file.
    """
    text = page.read_text(encoding="utf-8")
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    body = body.replace("<p><img", '<p class="figure"><img')
    body = GROUP.sub(_join_group, body)
    body = HEADING.sub(_keep_together, body)
    body = body.replace("<table>", '<div class="wide"><table>')
    body = body.replace("</table>", "</table></div>")
    body = IMAGE.sub(lambda found: _inline(page.parent / f"{found['place']}{pictures}"), body)
    title = html.escape(text.partition("\n")[0].strip("# `").replace("`", ""))
    whole = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
    with write_atomic(page.with_suffix(".html")) as partial:
        partial.write_text(whole, encoding="utf-8")


def _join_group(found: re.Match[str]) -> str:
    """A line of a table with a name and nothing else becomes one cell."""
    cells = found["rest"].count("<td") + 1
    return f'<tr class="group"><td colspan="{cells}">{found["name"]}</td></tr>'


def _keep_together(found: re.Match[str]) -> str:
    """A column's heading, with no line break within "top-1" and "95 %"."""
    start, end, text = found[0].partition(">")
    return (
        start
        + end
        + text.replace("-", "\N{NON-BREAKING HYPHEN}").replace(" %", "\N{NO-BREAK SPACE}%")
    )


def _inline(picture: Path) -> str:
    if not picture.exists():
        raise InputError(f"no {picture}: run `dvc repro report` first")
    content = base64.b64encode(picture.read_bytes()).decode()
    return f'<img src="data:{MEDIA[picture.suffix]};base64,{content}"'
