"""Columns of the leaderboard: the best number of each, as it is printed."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lipnet.report.columns import PAGE, columns_for
from tests.tracking.fabricated import model_row


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_every_number_that_is_printed_like_the_best_is_the_best(accuracies: list[float]) -> None:
    row = model_row("a-g0")
    rows = [replace(row, test=replace(row.test, top1=top1)) for top1 in accuracies]
    (column,) = [own for own in columns_for(PAGE, rows) if own.name == "test_top1"]
    best = column.find_best(rows)
    assert best == f"{100 * max(accuracies):.1f}"
    for own in rows:
        assert (column.print_number(own) == best) == (f"{100 * own.test.top1:.1f}" == best)
