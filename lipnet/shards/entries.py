"""The entries of a shard's tar, read as strictly as `write_shard` writes them.

tarfile reads a header that claims any size, follows links and loops on negative sizes. Here an
entry is a plain file of the bytes that follow its header, and everything else is an error.
"""

import io
import re
import tarfile
from collections.abc import Iterator
from typing import BinaryIO

BLOCK = 512  # bytes; a tar ends with two empty blocks, and fills its last record
# The only extended header that is written: a name that is long or not ASCII.
PAX_NAME = re.compile(rb"(\d{1,9}) path=([^\0\n]+)\n")


def read_entries(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Each entry's name and content, from the file's position on; ends at its end or at an empty
    block. ValueError or tarfile.TarError for anything but the header and content of a file."""
    start = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(start)
    name = ""
    while block := file.read(BLOCK):
        if not any(block):
            break
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        padded = -(-header.size // BLOCK) * BLOCK
        if not 0 <= padded <= end - file.tell():
            raise ValueError(f"{header.name} is cut short")
        content = file.read(padded)[: header.size]
        if header.type == tarfile.XHDTYPE:
            name = _parse_name(content)
        elif header.type == tarfile.REGTYPE:
            yield name or header.name, content
            name = ""
        else:
            raise ValueError(f"{header.name} is not a plain file")
    if name:
        raise ValueError(f"{name} is cut short")


def _parse_name(content: bytes) -> str:
    """The name in an extended header."""
    found = PAX_NAME.fullmatch(content)
    if found is None or int(found[1]) != len(content):
        raise ValueError("an extended header that is not a name")
    return found[2].decode("utf-8")
