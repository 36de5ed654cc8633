"""The JSON files that a report is made from: read, and checked for their outermost type."""

from pathlib import Path
from typing import Any

from lipnet.errors import InputError
from lipnet.files import read_json


def read_mapping(path: Path) -> dict[str, Any]:
    """A JSON object; InputError if the file is missing or holds something else."""
    if not path.exists():
        raise InputError(f"no {path}: run `dvc repro` first")
    try:
        value = read_json(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{path} is not JSON: remove it and run `dvc repro`") from None
    if not isinstance(value, dict):
        raise InputError(f"{path} is not a JSON object: remove it and run `dvc repro`")
    return value
