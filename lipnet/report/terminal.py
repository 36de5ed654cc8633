"""The leaderboard as a terminal shows it, with where to look next."""

from collections.abc import Container, Sequence
from itertools import groupby

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lipnet.report.columns import (
    Column,
    Place,
    columns_for,
    describe_machines,
    format_spec,
    group_of,
)
from lipnet.report.latencies import THREADS
from lipnet.report.rows import LeaderboardRow, find_choices
from lipnet.report.study import Study
from lipnet.shards.summary import read_labels_file

WIDTH = 120
MODEL_WIDTH, TEACHER_WIDTH, TEACHER_WIDTH_WITH_UNSEEN = 32, 25, 17  # characters


def print_leaderboard(
    study: Study, rows: Sequence[LeaderboardRow], console: Console | None = None
) -> None:
    """Print the leaderboard, at most 120 columns wide, and where to look next."""
    console = console or Console()
    if not console.is_terminal or console.width > WIDTH:
        console = Console(file=console.file, width=WIDTH, force_terminal=console.is_terminal)
    console.print()
    console.print(_make_table(rows, study), soft_wrap=False)
    console.print(_explain(rows), style="dim")
    console.print()
    for what, place in _list_files(study):
        console.print(f"  {what:<28}{place}", highlight=False, markup=False)
    console.print()


def _make_table(rows: Sequence[LeaderboardRow], study: Study) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title_justify="left")
    table.title = Text(f"Leaderboard of profile {study.name}", style="bold")
    labels = len(read_labels_file(study.labels_file))
    columns = columns_for(Place.TERMINAL, rows, labels=labels)
    starred = find_choices(rows)
    for column in columns:
        # Numbers are narrower than their headings: the last word goes to a second line.
        heading = column.heading if column.is_text else "\n".join(column.heading.rsplit(" ", 1))
        table.add_column(heading, justify="left" if column.is_text else "right", no_wrap=True)
    for spec, group in groupby(rows, key=group_of):
        table.add_row(Text(_name_group(spec, rows), style="bold cyan"))
        for row in group:
            cells = (_format_cell(column, row, columns, starred) for column in columns)
            table.add_row(*cells)
        table.add_section()
    return table


def _format_cell(
    column: Column, row: LeaderboardRow, shown: Sequence[Column], starred: Container[str]
) -> str:
    """The column's cell; names are cut, the teacher's more if unseen speakers take their place."""
    text = column.format(row)
    if column.name == "model":
        return f"  {shorten(text, MODEL_WIDTH)}{' *' if row.model in starred else ''}"
    if column.name == "teacher":
        has_unseen = any(own.name == "unseen_top1" for own in shown)
        return shorten(text, TEACHER_WIDTH_WITH_UNSEEN if has_unseen else TEACHER_WIDTH)
    return text


def _name_group(spec: str, rows: Sequence[LeaderboardRow]) -> str:
    named = next((row for row in rows if row.spec == spec), None)
    return format_spec(named).replace("×", "x") if named else spec


def shorten(name: str, width: int) -> str:
    """The name in at most `width` characters: its middle is cut, its generation stays."""
    return name if len(name) <= width else f"{name[: width - 5]}..{name[-3:]}"


def _explain(rows: Sequence[LeaderboardRow]) -> str:
    clips, units = rows[0].test.clips, rows[0].test.units
    how = f"{clips} test clips" if clips == units else f"{clips} test clips in {units} units"
    return (
        f"* chosen on validation, in its lineage or of all models. Intervals over {how}.\n"
        f"ms: the median for one clip on {THREADS} thread of {describe_machines(rows)}."
        + (" Of a cascade: mean GFLOPs, and both models' ms." * any(row.cascade for row in rows))
    )


def _list_files(study: Study) -> list[tuple[str, str]]:
    report = study.report
    return [
        ("The report with figures", str(report / "report.html")),
        ("The figures", str(report / "figures")),
        ("The numbers", f"{report / 'leaderboard.csv'}, {report / 'tables'}"),
        ("Models and learning curves", "make ui  (MLflow and Prefect on 127.0.0.1)"),
        ("Plots between commits", "dvc plots diff, dvc metrics diff"),
    ]
