"""Names out of a corpus: as ids, as labels, and in an order that no one chose."""

import hashlib
import re
import unicodedata

UNFIT = re.compile(r"[^a-z0-9]+")
LONGEST = 48  # characters of a name that its id shows
# Control characters would break the tables' lines; lone surrogates stand for undecodable bytes.
BARRED = ("Cc", "Cs")


def make_id(name: str) -> str:
    """The name itself where it is [a-z0-9-]+ already, else what is left of it and a digest.

    Different names have different ids, and a name has the same id on every machine.
    """
    name = normalise(name)
    left = UNFIT.sub("-", name.lower()).strip("-")[:LONGEST].strip("-")
    if left == name and name:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{left}-{digest}".lstrip("-")


def normalise(name: str) -> str:
    """The name with composed accents, however the file system wrote it (macOS parts them)."""
    return unicodedata.normalize("NFC", name)


def is_writable(name: str) -> bool:
    """Whether a name can stand in a table of UTF-8: no control characters, no undecodable bytes."""
    return not any(unicodedata.category(character) in BARRED for character in name)


def hash_name(name: str, seed: int) -> str:
    """A place in the shuffled order that depends on the name and the seed alone."""
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()
