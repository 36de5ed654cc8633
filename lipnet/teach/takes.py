"""Takes: a person's recordings of single words on disk, in the layout of the source `folder`."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lipnet.errors import InputError
from lipnet.files import digest_files, read_json, write_atomic, write_json
from lipnet.labels import BACKGROUND
from lipnet.locks import lock_file
from lipnet.records import Record
from lipnet.sources.folder import MIN_TO_SPLIT, SPLIT_FOLDERS, has_split_folders
from lipnet.sources.names import normalise
from lipnet.sources.scan import is_folder, list_entries
from lipnet.text import is_writable

WORK = ".lipnet"  # for crops and trainings; hidden, so that the source `folder` does not list it
RECORDED = "recorded.json"  # in WORK: the digests of what the page recorded; only that is deleted
TAKE = re.compile(r"take-(\d{3,6})\.(?:webm|mp4)")
MIN_TAKES = MIN_TO_SPLIT  # of a word: one to train on, to validate and to measure on
MIN_WORDS, MAX_WORDS, MAX_WORD_BYTES = 2, 200, 100


@dataclass(frozen=True)
class Deleted:
    """What `delete_takes` removed and left: the number of takes, the entries of the folder, and the
    videos that are named like takes but were not recorded by the page."""

    takes: int
    left: Sequence[str]
    others: Sequence[str]


def check_words(words: Sequence[str]) -> list[str]:
    """The words as labels and as names of folders, in the order given; InputError for one that
    cannot be both, for a repeated one, and for fewer than two."""
    named = [normalise(word).strip() for word in words]
    for word in named:
        fault = find_fault(word)
        if fault:
            raise InputError(f"the word {word!r} {fault}: choose another name")
    folded = [word.casefold() for word in named]
    repeated = sorted({word for word in named if folded.count(word.casefold()) > 1})
    if repeated:
        raise InputError(f"the words {', '.join(repeated)} are the same: name each once")
    if not MIN_WORDS <= len(named) <= MAX_WORDS:
        raise InputError(f"{len(named)} words: name {MIN_WORDS} to {MAX_WORDS}")
    return named


def find_fault(word: str) -> str:
    """Why a word cannot be a label and a folder's name; empty if it can."""
    faults = {
        "is empty": not word,
        "has control characters, or starts with one of = + - @": not is_writable(word),
        "has one of / \\ : or starts with a dot": word.startswith(".")
        or bool(set("/\\:") & {*word}),
        "is the name of a split": word.casefold() in SPLIT_FOLDERS,
        "is the name of what is no word": word == BACKGROUND,
        f"is longer than {MAX_WORD_BYTES} bytes": len(word.encode("utf-8", "surrogatepass"))
        > MAX_WORD_BYTES,
    }
    return next((fault for fault, found in faults.items() if found), "")


def list_words(root: Path) -> list[str]:
    """The words that have a folder, sorted; that of recorded pauses is not one."""
    return sorted(
        normalise(entry.name)
        for entry in list_entries(root)
        if is_folder(entry) and not entry.name.startswith(".") and entry.name != BACKGROUND
    )


def list_takes(root: Path, word: str) -> list[str]:
    """The names of a word's takes, recorded by the page or named like those, sorted by number."""
    folder = root / word
    names = os.listdir(folder) if folder.is_dir() else []
    return sorted((name for name in names if TAKE.fullmatch(name)), key=_number_of)


def _number_of(name: str) -> int:
    found = TAKE.fullmatch(name)
    return int(found[1]) if found else 0


def add_take(root: Path, word: str, recorded: Path) -> str:
    """Move a complete recording to the word's folder under the next number; its name there."""
    number = max(map(_number_of, list_takes(root, word)), default=0) + 1
    name = f"take-{number:03d}{recorded.suffix}"
    known = {**read_recorded(root), f"{word}/{name}": digest_files([recorded])}
    write_json(root / WORK / RECORDED, {"takes": known})
    folder = root / word
    folder.mkdir(exist_ok=True)
    with write_atomic(folder / name) as temporary:
        recorded.replace(temporary)
    return name


def read_recorded(root: Path) -> dict[str, str]:
    """The digest of each take that the page recorded, by "word/name"; InputError if the file cannot
    be read."""
    path = root / WORK / RECORDED
    try:
        return Record(read_json(path)).texts("takes") if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None


def discard_take(root: Path, word: str, name: str) -> None:
    """Delete one take that the page recorded; InputError for any other file."""
    if name not in list_takes(root, word) or not _is_recorded(root, f"{word}/{name}"):
        raise InputError(f"{name} is not a recorded take of {word}")
    (root / word / name).unlink()


def _is_recorded(root: Path, take: str) -> bool:
    return read_recorded(root).get(take) == digest_files([root / take])


def delete_takes(root: Path) -> Deleted:
    """Delete the takes that the page recorded, the folders of words that are empty then, and the
    crops of all takes. Other files and trained models stay.

    InputError if the folder was never taught from.
    """
    if not (root / WORK).is_dir():
        raise InputError(f"{root} has no takes that `lipnet teach` recorded: nothing was deleted")
    takes = [f"{word}/{name}" for word in list_words(root) for name in list_takes(root, word)]
    recorded = [take for take in takes if _is_recorded(root, take)]
    for take in recorded:
        (root / take).unlink()
        with contextlib.suppress(OSError):  # it has other files
            (root / take).parent.rmdir()
    if not (root / WORK).is_symlink():
        shutil.rmtree(root / WORK)
    others = [take for take in takes if take not in recorded]
    return Deleted(len(recorded), [entry.name for entry in list_entries(root)], others)


def check_root(root: Path, *, create: bool) -> None:
    """InputError unless takes can be recorded into the folder; makes it if asked for."""
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} is not a folder: name one for the takes")
    if create:
        root.mkdir(parents=True, exist_ok=True)
    if not root.is_dir():
        raise InputError(f"{root} does not exist: name the folder of the takes")
    if create and any(root.iterdir()) and has_split_folders(root):
        raise InputError(
            f"{root} has folders train, val and test, to which no takes are added: use --no-page, "
            "or name another folder"
        )


@contextmanager
def lock_root(root: Path) -> Iterator[None]:
    """Keep other processes from teaching from the same folder; InputError if one does already."""
    (root / WORK).mkdir(exist_ok=True)
    path = root / WORK / "lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        if not lock_file(lock, path):
            raise InputError(f"another `lipnet teach` uses {root}: close it first")
        yield
    finally:
        os.close(lock)
