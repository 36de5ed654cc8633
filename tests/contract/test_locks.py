"""The two locks pin the same versions, and the hashed one has a hash for each of its lines."""

import re

from tests.contract.imports import ROOT

# What PyPI's torch needs on Linux and the CPU build does not; and a backport for Python < 3.11.3.
ONLY_HASHED = re.compile(r"(?:nvidia|cuda)-[a-z0-9-]+|triton|async-timeout")


def read_pins(name: str) -> dict[str, str]:
    """Each package of a lock, its name normalised (PEP 503), with its version."""
    text = (ROOT / name).read_text(encoding="utf-8")
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in pins}


def test_the_locks_agree() -> None:
    plain, hashed = read_pins("requirements.lock"), read_pins("requirements.hashed.lock")
    assert {name: hashed.get(name) for name in plain} == plain
    assert all(ONLY_HASHED.fullmatch(name) for name in set(hashed) - set(plain))


def test_every_pin_has_a_hash() -> None:
    text = (ROOT / "requirements.hashed.lock").read_text(encoding="utf-8")
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(read_pins("requirements.hashed.lock"))
    assert all("--hash=sha256:" in entry for entry in entries)
