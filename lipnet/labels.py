"""Labels in class order: what every list of them has to be, and the name of the one that is no
word."""

from lipnet.text import is_writable

# The label of windows in which no word is in the middle: between words, or in silence.
BACKGROUND = "<background>"
MAX_LABELS = 100_000  # a classifier of more would take hundreds of megabytes


def parse_labels(value: object) -> list[str]:
    """The labels; ValueError unless they are a list of distinct names that can be printed."""
    if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
        raise ValueError("it is not a list of labels")
    if not 0 < len(value) <= MAX_LABELS:
        raise ValueError(f"it has {len(value)} labels, not 1 to {MAX_LABELS}")
    for label in value:
        if not is_writable(label):
            raise ValueError(
                f"its label {label!r} has control characters or starts with one of = + - @"
            )
    if len(set(value)) < len(value):
        raise ValueError("its labels are not unique")
    return value
