"""What DVC will record about the stage of this process, noted at its start and compared at its end.

DVC hashes parameters, code and input folders after a stage has ended. If one of them changes while
the stage runs, dvc.lock would have values that the stage never used, and DVC would not run it
again. So a stage notes them before it imports its modules, and ends with an error if they differ.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lipnet.errors import InputError
from lipnet.files import digest_files, digest_of

GRAPH, PARAMS = Path("dvc.yaml"), Path("params.yaml")
DATA = "data/"
IGNORED = "__pycache__"  # as in .dvcignore
PLACEHOLDER = re.compile(r"\$\{([^}]+)\}")
MAX_NAMED = 3
State = dict[str, object]


@dataclass(frozen=True)
class Inputs:
    """The keys of params.yaml, and the paths of code and data, that DVC hashes for a stage."""

    params: tuple[str, ...]
    paths: tuple[str, ...]

    def scan(self) -> State:
        """The present state of each: the value of a key, the digest of a file of code, and the
        size, modification time and inode of a file of data."""
        state: State = {}
        for path in self.paths:
            for file in _list_files(Path(path)):
                state[str(file)] = _describe_file(file, data=path.startswith(DATA))
        values = _read_yaml(PARAMS)
        for key in self.params:
            state[f"{PARAMS}: {key}"] = digest_of(_look_up(values, key))
        return state


@dataclass(frozen=True)
class Noted:
    """A stage's inputs and their state when the stage started."""

    inputs: Inputs
    state: State


_noted: Noted | None = None


def note_inputs(package: str) -> None:
    """Note the inputs of the stage in `python -m package.stage ...`.

    Call it while Python imports the package, before the stage's own modules: those take seconds,
    in which code can change too. Does nothing if Python was started in any other way, or if
    dvc.yaml has no such stage.
    """
    global _noted
    # While Python looks for the module after -m, sys.argv[0] is "-m".
    place = len(sys.orig_argv) - len(sys.argv)
    if sys.argv[0] != "-m" or place < 1 or sys.orig_argv[place - 1] != "-m":
        return
    if sys.orig_argv[place].startswith(f"{package}."):
        inputs = find_inputs(["python", "-m", *sys.orig_argv[place:]])
        _noted = Noted(inputs, inputs.scan()) if inputs else None


def check_inputs() -> None:
    """InputError if an input of this stage is not what it was when the stage started."""
    if _noted is None:
        return
    names = list_changes(_noted.state, _noted.inputs.scan())
    if names:
        more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
        raise InputError(
            f"{', '.join(names[:MAX_NAMED])}{more} changed while this stage ran, so DVC records "
            "nothing: run the same command again, which reuses the finished parts that still fit"
        )


def list_changes(before: State, after: State) -> list[str]:
    """The names of what was added, removed or changed, sorted."""
    return sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )


def find_inputs(command: Sequence[str]) -> Inputs | None:
    """The inputs of the stage that dvc.yaml runs by this command; None if there is none."""
    graph, params = _read_yaml(GRAPH), _read_yaml(PARAMS)
    if not isinstance(graph, dict) or not isinstance(params, dict):
        return None
    for entry in graph.get("stages", {}).values():
        body = entry.get("do", entry)
        for item in _list_items(entry, params):

            def fill(text: str, values: Mapping[str, object] = {**params, **item}) -> str:
                return PLACEHOLDER.sub(lambda found: str(_look_up(values, found[1])), text)

            if fill(body["cmd"]).split() == list(command):
                keys, paths = (map(fill, body.get(name, ())) for name in ("params", "deps"))
                return Inputs(tuple(keys), tuple(paths))
    return None


def _list_items(entry: Mapping[str, Any], params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The values of `key` and `item` for each stage that a `foreach` makes; else one without."""
    if "foreach" not in entry:
        return [{}]
    section = _look_up(params, PLACEHOLDER.sub(r"\1", entry["foreach"]))
    items = section if isinstance(section, dict) else {}
    return [{"key": key, "item": item} for key, item in items.items()]


def _look_up(values: object, key: str) -> Any:
    """The value at a key with dots; None if there is none."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def _read_yaml(path: Path) -> Any:
    """The file's contents; None if it is missing or damaged, which the stage itself reports."""
    import yaml  # slow, and `--help` of a stage imports this module

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None


def _list_files(path: Path) -> Iterator[Path]:
    """The path itself if it is not a folder, else all files below it."""
    if not path.is_dir():
        yield path
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if name != IGNORED]
        yield from (Path(folder, name) for name in names)


def _describe_file(path: Path, *, data: bool) -> object:
    try:
        if not data:
            return digest_files([path])
        found = path.stat()
    except OSError as error:
        return error.strerror
    return found.st_size, found.st_mtime_ns, found.st_ino
