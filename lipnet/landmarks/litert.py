"""Networks in LiteRT's format that come with the package: verified, loaded and run."""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipnet.errors import InputError

INSTALL = "install the extra `mesh` (pip install '.[mesh]' in the repository)"
PACKAGE = "ai-edge-litert"
STDERR = 2


@dataclass(frozen=True)
class NetworkFile:
    """A file next to this module, and the SHA-256 that it must have."""

    name: str
    sha256: str

    def read(self) -> bytes:
        """Its bytes; InputError if it is missing or is another file."""
        path = Path(__file__).with_name(self.name)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(
                f"{path} cannot be read ({error.strerror}): install lipnet again"
            ) from None
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise InputError(f"{path} is not the file that lipnet comes with: install lipnet again")
        return content


class Network:
    """A network with one image as its input, on one thread of the CPU; thread-safe."""

    def __init__(self, file: NetworkFile) -> None:
        content = file.read()
        interpreter = import_interpreter()
        with quiet():
            self._interpreter = interpreter(model_content=content, num_threads=1)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        outputs = self._interpreter.get_output_details()
        self._outputs = sorted(outputs, key=lambda each: -int(np.prod(each["shape"])))
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """The side of its input in pixels."""
        return int(self._input["shape"][1])

    def __call__(self, image_HWC: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Its outputs for an image [size, size, 3], the one with the most values first."""
        with self._lock:
            self._interpreter.set_tensor(self._input["index"], image_HWC[None])
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(each["index"])[0] for each in self._outputs]


def import_interpreter() -> Any:
    """LiteRT's interpreter; InputError unless it is installed."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise InputError(f"landmarks.model mesh: {error}; {INSTALL}") from None
    return Interpreter


def find_version() -> str:
    """The version of LiteRT; InputError unless it is installed."""
    import_interpreter()
    return metadata.version(PACKAGE)


@contextmanager
def quiet() -> Iterator[None]:
    """Without what C++ code writes to stderr: LiteRT reports there that it uses XNNPACK, and
    version 2.3 has no setting for that."""
    try:
        kept = os.dup(STDERR)
    except OSError:  # closed: nothing can be written to it
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, STDERR)
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(sink)
        os.close(kept)
