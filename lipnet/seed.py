"""Random seeds as a pure function of names and numbers, so that any epoch can be repeated."""

import zlib

import torch


def seed_of(*parts: str | int) -> int:
    """A 63-bit seed from the parts; equal parts give equal seeds on any machine."""
    text = "/".join(str(part) for part in parts).encode()
    return (zlib.crc32(text) << 31) ^ zlib.crc32(b"lipnet/" + text)


def generator_of(*parts: str | int) -> torch.Generator:
    """A fresh CPU generator seeded from the parts."""
    return torch.Generator().manual_seed(seed_of(*parts))
