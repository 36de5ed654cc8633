"""Text in messages: whether names from other people can be written anywhere, escapes, counts."""

import unicodedata
from collections.abc import Mapping

# Control characters end a table's lines and command a terminal; surrogates are undecodable bytes.
FORBIDDEN = ("Cc", "Cs", "Zl", "Zp")
# They make a text look like another one.
BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
FORMULA = ("=", "+", "-", "@")  # a spreadsheet runs a cell that starts with one of these


def is_writable(name: str) -> bool:
    """Whether a name can be printed and written to any table: no control characters, no
    undecodable bytes, no start of a spreadsheet's formula."""
    return not name.lstrip().startswith(FORMULA) and not any(
        unicodedata.category(character) in FORBIDDEN or character in BIDIRECTIONAL
        for character in name
    )


def escape(text: str) -> str:
    r"""The text with each unprintable character, undecodable bytes included, as \x.. or \u...."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def escape_lines(text: str) -> str:
    """`escape`, but line breaks stay: for messages."""
    return "\n".join(map(escape, text.split("\n")))


def format_counts(counts: Mapping[str, int]) -> str:
    """Counts by reason, such as "2 no_face, 1 too_long"."""
    return ", ".join(f"{count} {reason}" for reason, count in counts.items())


def describe_failed(counts: Mapping[str, int]) -> str:
    """How many failed, with the reasons, such as "3 failed (2 no_face, 1 too_long)"."""
    reasons = format_counts(counts)
    return f"{sum(counts.values())} failed{f' ({reasons})' if reasons else ''}"
