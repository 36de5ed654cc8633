"""Names out of a corpus: as ids, as labels, and in a shuffled order."""

import hashlib
import re
import unicodedata

INVALID = re.compile(r"[^a-z0-9]+")
MAX_ID = 48  # characters of a name that its id shows


def make_id(name: str) -> str:
    """The name itself if it is [a-z0-9-]+ already, else its valid characters and a digest.

    Different names have different ids, and a name has the same id on every machine.
    """
    name = normalise(name)
    left = INVALID.sub("-", name.lower()).strip("-")[:MAX_ID].strip("-")
    if left == name and name:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{left}-{digest}".lstrip("-")


def normalise(name: str) -> str:
    """The name with composed accents, also if the file system decomposes them (macOS does)."""
    return unicodedata.normalize("NFC", name)


def hash_name(name: str, seed: int) -> str:
    """A sort key for a shuffled order; it depends on the name and the seed only."""
    return hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogatepass")).hexdigest()
