"""Ids of lineages: their numbers are the widths of the spec, in every profile."""

import re
from pathlib import Path

import pytest
import yaml

from tests.contract.imports import ROOT

PROFILES = sorted((ROOT / "conf/profile").glob("*.yaml"))
# The parts of an id whose number is a width; that of a ResNet is its depth.
WIDE = re.compile(r"(sn|(?:ds)?(?:ms)?tcn)([0-9]+)")


def read_width(digits: str) -> float:
    """The width of an id's digits, one of them before the point: 0.5 for 05, 1 for 10, 3 for 3."""
    return int(digits) / 10 ** (len(digits) - 1)


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_the_numbers_of_an_id_are_widths(path: Path) -> None:
    profile = yaml.safe_load(path.read_text(encoding="utf-8"))
    for lineage, entry in {**profile.get("scratch", {}), **profile.get("taught", {})}.items():
        for part, own in zip(lineage.split("-"), entry["spec"].split(" + "), strict=False):
            found = WIDE.fullmatch(part)
            if found is not None:
                width = float(own.rpartition("_")[2].rstrip("x"))
                assert read_width(found[2]) == width, f"{lineage}: {part} is not {own}"
