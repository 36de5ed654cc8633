"""The entries of a shard's tar, read as strictly as `write_shard` writes them.

tarfile reads a header that claims any size, follows links and loops on negative sizes. Here an
entry is a plain file of the bytes that follow its header, and everything else is an error.
"""

import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

BLOCK = 512  # bytes; a tar ends with two empty blocks, and fills its last record
# The only extended header that is written: a name that is long or not ASCII.
PAX_NAME = re.compile(rb"(\d{1,9}) path=([^\0\n]+)\n")


@dataclass(frozen=True)
class Entry:
    """A plain file in a tar: where its first header starts, and its `size` bytes from `offset`."""

    name: str
    start: int
    offset: int
    size: int

    def read(self, file: BinaryIO) -> bytes:
        """Its content; ValueError if the file ends before it."""
        file.seek(self.offset)
        content = file.read(self.size)
        if len(content) != self.size:
            raise ValueError(f"{self.name} is cut short")
        return content


def list_entries(file: BinaryIO, start: int = 0) -> Iterator[Entry]:
    """Each entry from the byte `start` on, without its content; ends at the file's end or at an
    empty block. ValueError or tarfile.TarError for anything but the header and content of a file.

    The file may be read elsewhere between two entries.
    """
    end = file.seek(0, io.SEEK_END)
    position, name = start, ""
    while any(block := _read_block(file, position)):
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        position += BLOCK
        padded = -(-header.size // BLOCK) * BLOCK
        if not 0 <= padded <= end - position:
            raise ValueError(f"{header.name} is cut short")
        if header.type == tarfile.XHDTYPE:
            name = _parse_name(file.read(header.size))
        elif header.type == tarfile.REGTYPE:
            yield Entry(name or header.name, start, position, header.size)
            start, name = position + padded, ""
        else:
            raise ValueError(f"{header.name} is not a plain file")
        position += padded
    if name:
        raise ValueError(f"{name} is cut short")


def _read_block(file: BinaryIO, position: int) -> bytes:
    file.seek(position)
    return file.read(BLOCK)


def _parse_name(content: bytes) -> str:
    """The name in an extended header."""
    found = PAX_NAME.fullmatch(content)
    if found is None or int(found[1]) != len(content):
        raise ValueError("an extended header that is not a name")
    return found[2].decode("utf-8")
