"""A shard's entries: those that tarfile reads, and nothing but plain files."""

import io
import tarfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.shards.entries import list_entries

NAME = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=200).filter(
    lambda name: not name.startswith("/") and not name.endswith("/")
)


def pack(*members: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    buffer.seek(0)
    return buffer


@settings(max_examples=60)
@given(st.lists(st.tuples(NAME, st.binary(max_size=1500)), max_size=4))
def test_entries_are_those_that_tarfile_reads(members: list[tuple[str, bytes]]) -> None:
    packed = pack(*((tarfile.TarInfo(name), content) for name, content in members))
    assert [(entry.name, entry.read(packed)) for entry in list_entries(packed)] == members


def link(info: tarfile.TarInfo) -> None:
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"


def link_to_itself(info: tarfile.TarInfo) -> None:
    info.type, info.linkname = tarfile.LNKTYPE, info.name


def make_kind(kind: bytes) -> Callable[[tarfile.TarInfo], None]:
    return lambda info: setattr(info, "type", kind)


@pytest.mark.parametrize(
    "change", [link, link_to_itself, *(make_kind(kind) for kind in (b"3", b"4", b"5", b"6", b"S"))]
)
def test_what_is_not_a_plain_file_is_refused(change: Callable[[tarfile.TarInfo], None]) -> None:
    info = tarfile.TarInfo("a.json")
    change(info)
    with pytest.raises(ValueError, match="a.json is not a plain file"):
        list(list_entries(pack((info, b""))))


def test_an_extended_header_that_is_not_a_name_is_refused() -> None:
    info = tarfile.TarInfo("a.json")
    info.pax_headers = {"size": "99999999999"}
    with pytest.raises(ValueError, match="extended header"):
        list(list_entries(pack((info, b"{}"))))
