"""The page's section on cascades: which clips the small model answers, and what that costs."""

from collections.abc import Sequence

from lipnet.report.columns import format_top1
from lipnet.report.markdown import gain, join, percent
from lipnet.report.names import ModelNames
from lipnet.report.rows import CascadeCost, LeaderboardRow
from lipnet.selection.cascade import NO_CLIP

HEADINGS = (
    *("cascade", "test top-1 [95 %]", "over the large model [95 %]", "mean GFLOPs"),
    *("of the large model's", "worst case", "threshold", "small model answers, val"),
    *("small model answers, test", "id"),
)


def describe_cascades(rows: Sequence[LeaderboardRow], names: ModelNames) -> list[str]:
    """A line per cascade; nothing without any."""
    found = [(row, row.cascade) for row in rows if row.cascade]
    if not found:
        return []
    return [
        "## Cascades",
        "",
        "The small model answers a clip if its top probability is at least the threshold, else the "
        "large model does. Validation chose the threshold: the lowest at which the cascade reads "
        "as many of its clips as the large model. Differences are paired by test clip, in points. "
        "GFLOPs per clip are the mean over the test clips; the worst case is the cost of both "
        "models, and so is the latency in the leaderboard. If the small model is an exit of the "
        "large one, what both have in common counts once in GFLOPs, and twice in the latency.",
        "",
        join(HEADINGS),
        join(["---", *["---:"] * (len(HEADINGS) - 2), "---"]),
        *(_describe_row(row, own, names) for row, own in found),
        "",
    ]


def _describe_row(row: LeaderboardRow, own: CascadeCost, names: ModelNames) -> str:
    return join(
        [
            names.full(row.model),
            format_top1(row.test),
            gain(own.difference, own.difference_low, own.difference_high),
            f"{row.gflops:.3f}",
            f"{100 * row.gflops / own.large_gflops:.0f} %",
            f"{own.worst_gflops:.3f}",
            "none" if own.threshold == NO_CLIP else str(own.threshold),  # as --leave-at takes it
            f"{percent(own.leaves_val)} %",
            f"{percent(own.leaves)} %",
            f"`{row.model}`",
        ]
    )
