"""Arrays in .npy and .npz files: nothing is allocated that the file does not hold."""

import math
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"\x93NUMPY"
PREFIXES = {b"\x01\x00": 2, b"\x02\x00": 4}  # versions, and the bytes of their header's length
# As NumPy writes it; its own reader would evaluate any Python literal.
HEADER = re.compile(
    rb"\{'descr': '([<>|=][biufU]\d{1,8})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,15}, )*(?:\d{1,15},?)?)\), \}\s*"
)
MAX_BYTES = 2**28  # of the arrays of a small, compressed file
MAX_RATIO = 16  # of their bytes to the bytes of a larger file


def parse_npy(content: bytes) -> NDArray[Any]:
    """The array of a .npy file's bytes; ValueError if it is not one of numbers or text, or has
    another number of values than its header states."""
    width = PREFIXES.get(content[6:8], 0) if content.startswith(MAGIC) else 0
    start = 8 + width + int.from_bytes(content[8 : 8 + width], "little")
    found = HEADER.fullmatch(content[8 + width : start]) if width else None
    if found is None:
        raise ValueError("not the header of an array")
    try:
        dtype = np.dtype(found[1].decode())
    except TypeError as error:
        raise ValueError(str(error)) from None
    shape = tuple(int(size) for size in found[3].split(b",") if size.strip())
    if not dtype.itemsize or math.prod(shape) * dtype.itemsize != len(content) - start:
        raise ValueError(f"{len(content) - start} bytes are not {dtype} {shape}")
    values = np.frombuffer(bytearray(memoryview(content)[start:]), dtype)
    return values.reshape(shape[::-1]).T if found[2] == b"True" else values.reshape(shape)


def read_npz(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """These arrays of an .npz; OSError if it cannot be read, ValueError if it is damaged, lacks one
    of them, or would take far more memory than disk."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            missing = [name for name in names if f"{name}.npy" not in archive.namelist()]
            if missing:
                raise ValueError(f"it has no {', '.join(missing)}")
            members = [_find(archive, name) for name in names]
            needed = sum(member.file_size for member in members)
            if needed > max(MAX_BYTES, MAX_RATIO * path.stat().st_size):
                raise ValueError(f"its arrays would take {needed / 2**20:.0f} MiB")
            return {
                name: parse_npy(_read(archive, member))
                for name, member in zip(names, members, strict=True)
            }
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OverflowError) as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _find(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    found = archive.getinfo(f"{name}.npy")
    if found.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is compressed in a way that NumPy does not use")
    return found


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as file:
        content = file.read(member.file_size)  # without a size, a bomb would be unpacked whole
    if len(content) != member.file_size:
        raise ValueError(f"{member.filename} is cut short")
    return content
