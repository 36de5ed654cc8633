"""The code that a result was made with: a digest of the modules that a module's imports reach."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from lipnet.files import digest_of

PACKAGE = Path(__file__).parent
# These change no number: how files are written, checked and locked, what an error is, what is
# stated of speakers, the digest of code, which of several alike GPUs is used.
NEUTRAL = frozenset(
    {
        "__init__.py",
        "code.py",
        "errors.py",
        "files.py",
        "labels.py",
        "lease.py",
        "locks.py",
        "records.py",
        "speakers.py",
        "text.py",
    }
)


@cache
def code_digest(*modules: str) -> str:
    """Digest of these modules of the package, such as "landmarks.tracker", and of all that they
    import from it, without comments, docstrings and layout, and without the neutral modules.
    """
    return digest_of([[name, ast.dump(_parse(PACKAGE / name))] for name in reached_files(*modules)])


def reached_files(*modules: str) -> list[str]:
    """The files of these modules and of all that they import from the package, directly or not,
    as sorted paths relative to the package; without the neutral modules."""
    own = [path for module in modules for path in _files_of(f"lipnet.{module}")]
    names = {str(path.relative_to(PACKAGE)) for path in _follow(own)}
    return sorted(name for name in names - NEUTRAL if _parse(PACKAGE / name).body)


def needed_files(program: Path) -> list[Path]:
    """The package's files without which a Python file cannot run: all that it imports, directly or
    not, also inside functions."""
    return sorted({PACKAGE / "__init__.py", *_follow(_imported_files(program))})


def _follow(files: Iterable[Path]) -> set[Path]:
    """The files and all that they import from the package, directly or not."""
    found: set[Path] = set()
    waiting = list(files)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported_files(path)
    return found


@cache
def _imported_files(path: Path) -> tuple[Path, ...]:
    """The files that the file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(found for name in sorted(names) for found in _files_of(name))


def _files_of(name: str) -> Iterator[Path]:
    """The file of a module, or of the module that defines a name, and its packages' __init__.

    Not the library's own __init__: what it offers is imported only when a caller asks for it.
    """
    first, *parts = name.split(".")
    if first != PACKAGE.name:
        return
    for count in range(1, len(parts) + 1):
        path = PACKAGE.joinpath(*parts[:count])
        for candidate in (path.with_suffix(".py"), path / "__init__.py"):
            if candidate.is_file():
                yield candidate


@cache
def _parse(path: Path) -> ast.Module:
    """The file's syntax tree, without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            del body[0]
    return tree


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
