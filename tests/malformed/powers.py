"""Root without the power to read what is forbidden, so that permissions mean something to it."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

VERSION = 0x20080522  # Linux's second capability interface: two words of 32 bits a set
DAC_OVERRIDE, DAC_READ_SEARCH = 1, 2


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]  # noqa: RUF012


class _Sets(ctypes.Structure):
    _fields_ = [  # noqa: RUF012
        (name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")
    ]


@contextmanager
def obeying_permissions() -> Iterator[None]:
    """This thread, and those that it starts, may read only what permissions allow."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, held = _Header(VERSION, 0), (_Sets * 2)()
    _call(libc.capget, header, held)
    kept = held[0].effective
    held[0].effective = kept & ~(1 << DAC_OVERRIDE | 1 << DAC_READ_SEARCH)
    _call(libc.capset, header, held)
    try:
        yield
    finally:
        held[0].effective = kept
        _call(libc.capset, header, held)


def _call(function: "ctypes._FuncPointer", header: _Header, sets: ctypes.Array[_Sets]) -> None:
    if function(ctypes.byref(header), sets) != 0:
        raise OSError(ctypes.get_errno(), f"{function.__name__} failed")
