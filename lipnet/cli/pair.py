"""Two accuracies of the same clips and their paired difference, as verbs print them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lipnet.cli.evaluate import format_estimate

if TYPE_CHECKING:
    from lipnet.measure.accuracy import Estimate


def describe_pair(
    split: str, top1: Mapping[str, "Estimate"], difference: "Estimate"
) -> dict[str, object]:
    """The accuracies by their names and the difference, as JSON; accuracies are fractions."""
    return {
        "split": split,
        "clips": difference.clips,
        **{f"top1_{name}": own.value for name, own in top1.items()},
        "difference": difference.value,
        "difference_95": [difference.low, difference.high],
    }


def format_pair(top1: Mapping[str, "Estimate"], difference: "Estimate") -> list[str]:
    """The same as a line each."""
    return [
        *(f"{name:<12}{format_estimate(own)}" for name, own in top1.items()),
        f"difference {format_points(difference, width=6)}",
    ]


def format_points(change: "Estimate", *, width: int = 0) -> str:
    """A paired difference in points, with its interval."""
    return (
        f"{100 * change.value:+{width}.2f} points  "
        f"(95 %, paired: {100 * change.low:+.2f} to {100 * change.high:+.2f})"
    )
