"""The options of a source (source.options in the parameters), checked as they are read."""

from collections.abc import Mapping

from lipnet.clip import CLIP_FRAMES
from lipnet.errors import InputError


def check_known(options: Mapping[str, object], known: tuple[str, ...]) -> None:
    """Raise InputError, with the known options, for an option that the source does not have."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise InputError(
            f"unknown source.options {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        )


def read_names(options: Mapping[str, object], key: str) -> list[str]:
    """A list of names, empty if the option is absent, null or empty; each at most once."""
    value = options.get(key)
    if value is None:
        return []
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise InputError(f"source.options.{key} must be a list of names in quotes, not {value!r}")
    repeated = sorted({name for name in value if value.count(name) > 1})
    if repeated:
        raise InputError(f"source.options.{key} names {', '.join(repeated)} more than once")
    return list(value)


def read_integer(options: Mapping[str, object], key: str, default: int) -> int:
    """A whole number."""
    value = options.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"source.options.{key} must be a whole number, not {value!r}")
    return value


def read_frames(options: Mapping[str, object]) -> int:
    """Option `frames`, the length of a clip's window; CLIP_FRAMES if it is absent."""
    frames = read_integer(options, "frames", CLIP_FRAMES)
    if frames < 1:
        raise InputError(f"source.options.frames must be at least 1, not {frames}")
    return frames


def read_fraction(options: Mapping[str, object], key: str, default: float) -> float:
    """A number from 0 up to, not including, 1."""
    value = options.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise InputError(f"source.options.{key} must be a number in [0, 1), not {value!r}")
    return float(value)


def read_text(options: Mapping[str, object], key: str, default: str) -> str:
    """A text; it may be empty."""
    value = options.get(key, default)
    if not isinstance(value, str):
        raise InputError(f"source.options.{key} must be a text in quotes, not {value!r}")
    return value


def read_folder(options: Mapping[str, object], key: str, default: str) -> str:
    """A folder's path below source.root; "." is the root itself."""
    value = read_text(options, key, default)
    if not value or value.startswith("/") or ".." in value.split("/"):
        raise InputError(
            f"source.options.{key} must be a folder below source.root, such as {default}, "
            f"not {value!r}"
        )
    return value
