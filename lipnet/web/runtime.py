"""The runtime of the page: ONNX Runtime for browsers, from an npm package, verified."""

import hashlib
from pathlib import Path

from lipnet.errors import InputError

PACKAGE = "onnxruntime-web"
# SHA-256 of the files that the page loads, of the version in web/package.json.
FILES = {
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": (
        "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b"
    ),
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
}
FOLDER = Path("web", "node_modules")  # of a repository
MODULES = Path(__file__).resolve().parents[2] / FOLDER  # of the one that this module runs from
INSTALL = "run `make web` in the repository (npm ci in its folder web), and this command there"


def find_modules() -> Path:
    """The folder node_modules of the repository that this module runs from or, for an installed
    package, of the current folder."""
    return MODULES if (MODULES / PACKAGE).is_dir() else FOLDER.resolve()


def read_runtime(modules: Path | None = None) -> dict[str, bytes]:
    """The files by name, from a folder node_modules (default: `find_modules`); InputError if one is
    missing or another."""
    modules = modules or find_modules()
    folder = modules / PACKAGE / "dist"
    found = {}
    for name, digest in FILES.items():
        try:
            content = (folder / name).read_bytes()
        except OSError:
            raise InputError(f"the page needs {PACKAGE}, not found in {modules}: {INSTALL}") from (
                None
            )
        if hashlib.sha256(content).hexdigest() != digest:
            raise InputError(f"{folder / name} is of another version than pinned: {INSTALL}")
        found[name] = content
    return found
