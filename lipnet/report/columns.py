"""The leaderboard's columns: what each is called, how it is written and where it is shown.

A new column is one entry here and one field of `LeaderboardRow`, which also puts it into
results.csv, leaderboard.csv and, if it is a number, MLflow.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from operator import itemgetter

from lipnet.report.markdown import interval, percent
from lipnet.report.names import ENSEMBLES, name_compression, spec_on_a_line
from lipnet.report.rows import LeaderboardRow, Score


class Place(Flag):
    """Where a column is shown."""

    TERMINAL = auto()
    PAGE = auto()
    PREFECT = auto()


MIN_LABELS_FOR_TOP5 = 20  # among fewer, nearly every model is right within five
TERMINAL, PAGE, PREFECT = Place.TERMINAL, Place.PAGE, Place.PREFECT


@dataclass(frozen=True)
class Column:
    """One shown column; of an `optional` one no row may have a value, and then it is left out.

    `value` is the number behind the text, and `is_cost` whether less of it is better.
    """

    name: str
    heading: str
    format: Callable[[LeaderboardRow], str]
    shown_in: Place
    is_text: bool = False
    is_optional: bool = False
    value: Callable[[LeaderboardRow], float | None] | None = None
    is_cost: bool = False

    def find_best(self, rows: Sequence[LeaderboardRow]) -> str:
        """The best number in the column, as it is printed; "" if it has no numbers."""
        found = [(self.value(row), row) for row in rows] if self.value else []
        known = [(value, self.print_number(row)) for value, row in found if value is not None]
        return (min if self.is_cost else max)(known, key=itemgetter(0), default=(0, ""))[1]

    def print_number(self, row: LeaderboardRow) -> str:
        """The row's number as it is printed, without an interval."""
        return self.format(row).partition(" ")[0]


def columns_for(
    place: Place, rows: Sequence[LeaderboardRow], *, labels: int = MIN_LABELS_FOR_TOP5
) -> list[Column]:
    """The columns shown there, in order; without top-5 if there are few labels."""
    return [
        column
        for column in COLUMNS
        if place in column.shown_in
        and not (column.name == "test_top5" and labels < MIN_LABELS_FOR_TOP5)
        and not (column.is_optional and all(column.format(row) == NONE for row in rows))
    ]


def format_rows(place: Place, rows: Sequence[LeaderboardRow]) -> list[dict[str, str]]:
    """Each row's cells by heading, as shown there."""
    columns = columns_for(place, rows)
    return [{column.heading: column.format(row) for column in columns} for row in rows]


def describe_machines(rows: Iterable[LeaderboardRow]) -> str:
    """The machines that latencies were measured on, or "no machine"."""
    found = dict.fromkeys(row.latency.machine for row in rows if row.latency)
    return " or ".join(found) or "no machine"


def format_spec(row: LeaderboardRow) -> str:
    """The spec as the paper writes it, on one line; "several" for a mixed ensemble."""
    return spec_on_a_line(row.spec) if row.spec else "several"


def format_top1(score: Score) -> str:
    """Top-1 with its interval, in percent."""
    return interval(score.top1, score.top1_low, score.top1_high)


def format_top5(score: Score) -> str:
    """Top-5 with its interval, in percent."""
    return interval(score.top5, score.top5_low, score.top5_high)


NONE = "-"
GROUPS = ("Ensembles", "Cascades", "Compressed")


def group_of(row: LeaderboardRow) -> str:
    """The group of rows that it is shown in: its spec, or one of GROUPS."""
    if row.members:
        return GROUPS[1] if row.cascade else GROUPS[0]
    return GROUPS[2] if row.compression else row.spec


def _teacher_or_members(row: LeaderboardRow) -> str:
    return ", ".join(row.members) or row.teacher or NONE


def _short_teacher(row: LeaderboardRow) -> str:
    """A teacher of the same lineage by its generation alone; how an ensemble was chosen, and how a
    model was compressed."""
    if row.compression:
        return name_compression(row.compression)
    if row.members:
        return ENSEMBLES.get(row.rule, "{} models").format(len(row.members))
    lineage, _, generation = row.teacher.rpartition("-")
    return (generation if lineage == row.lineage else row.teacher) or NONE


def _test_interval(row: LeaderboardRow) -> str:
    return f"{percent(row.test.top1_low)}-{percent(row.test.top1_high)}"


def _latency(row: LeaderboardRow) -> str:
    return f"{row.latency.ms_p50:.1f}" if row.latency else NONE


def _both_latencies(row: LeaderboardRow) -> str:
    if row.latency is None or row.latency.ms_p95 is None:
        return _latency(row)
    return f"{_latency(row)} / {row.latency.ms_p95:.1f}"


def _unseen(row: LeaderboardRow) -> str:
    return percent(row.unseen.top1) if row.unseen else NONE


def _unseen_interval(row: LeaderboardRow) -> str:
    return format_top1(row.unseen) if row.unseen else NONE


def _top1(row: LeaderboardRow) -> float:
    return row.test.top1


def _top5(row: LeaderboardRow) -> float:
    return row.test.top5


def _test(row: LeaderboardRow) -> str:
    return percent(row.test.top1)


def _val(row: LeaderboardRow) -> str:
    return percent(row.val.top1)


def _params(row: LeaderboardRow) -> str:
    return f"{row.params_m:.2f}"


def _params_m(row: LeaderboardRow) -> float:
    return row.params_m


def _flops(row: LeaderboardRow) -> str:
    return f"{row.gflops:.3f}"


def _gflops(row: LeaderboardRow) -> float:
    return row.gflops


EVERYWHERE = TERMINAL | PAGE | PREFECT
BRIEF = TERMINAL | PREFECT
COLUMNS = (
    Column("model", "model", lambda row: row.model, BRIEF, is_text=True),
    Column("teacher", "teacher", _short_teacher, TERMINAL, is_text=True),
    Column("test_top1", "test top-1", _test, PREFECT),
    Column("test_interval", "95 % interval", _test_interval, PREFECT),
    Column("val_top1", "val top-1", _val, PREFECT),
    Column("test_top1", "test top-1 [95 %]", lambda row: format_top1(row.test), PAGE, value=_top1),
    Column("val_top1", "val top-1", _val, PAGE, value=lambda row: row.val.top1),
    Column("test_top5", "test top-5", lambda row: percent(row.test.top5), PAGE, value=_top5),
    Column(
        *("unseen_top1", "unseen speakers [95 %]", _unseen_interval, PAGE),
        is_optional=True,
        value=lambda row: row.unseen.top1 if row.unseen else None,
    ),
    Column("params_m", "params M", _params, EVERYWHERE, value=_params_m, is_cost=True),
    Column("gflops", "GFLOPs", _flops, EVERYWHERE, value=_gflops, is_cost=True),
    Column("val_top1", "val top-1", _val, TERMINAL),
    Column("test_top1", "test top-1", _test, TERMINAL),
    Column("test_interval", "95 % interval", _test_interval, TERMINAL),
    Column("test_top5", "test top-5", lambda row: percent(row.test.top5), TERMINAL),
    Column("unseen_top1", "unseen top-1", _unseen, TERMINAL, is_optional=True),
    Column("latency", "ms p50", _latency, BRIEF),
    Column(
        *("latency", "ms per clip, p50 / p95", _both_latencies, PAGE),
        is_optional=True,
        value=lambda row: row.latency.ms_p50 if row.latency else None,
        is_cost=True,
    ),
    Column("spec", "spec", format_spec, PREFECT, is_text=True),
    Column("teacher", "teacher or members", _teacher_or_members, PREFECT, is_text=True),
)
