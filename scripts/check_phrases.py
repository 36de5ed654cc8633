"""Phrases that this project does not write, and what to write instead.

`python scripts/check_phrases.py [FILE ...]` lists every use in the files that git tracks (or in
those given) and exits with status 1 if there is one. A line that must quote such a phrase carries
the comment `phrases: allow`; a whole file is listed in ALLOWED with its reason.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ALLOW_MARK = "phrases: allow"
SUFFIXES = {".py", ".md", ".yaml", ".yml", ".toml", ".cff", ".sh", ""}
ALLOWED = {
    "scripts/check_phrases.py": "the table itself",
    "tests/scripts/test_check_phrases.py": "an example of each phrase",
    "LICENSE": "a licence is quoted as it is",
}
# Generated reports are corrected in the code that writes them.
SKIPPED_FOLDERS = ("docs/results/grid_study/", "tests/lipnet/authors/reference/")

# phrase (a regular expression, matched in any case) -> what to write
PHRASES = {
    r"anew": "again; start again",
    r"mend(?:s|ed|ing)?": "fix, correct",
    r"(?:struck|strikes?|striking)": "cause or inject a fault; fail",
    r"bears?": "tolerate; carry; have",
    r"so many": "N; as many as needed",
    r"for want of": "because there is no",
    r"bequeath\w*": "pass on; hand over",
    r"mourn\w*": "count a death",
    r"farewells?": "stop signals",
    r"beside": "next to; besides; in addition to",
    r"(?:lies?|lay) (?:in|on|at|below|beside|there|here|behind|outside|within|before|between)": (
        "is; are"
    ),
    r"where (?:it|they|he) (?:lies?|lay|stands?|stood)": "where it is",
    r"(?:stands?|stood) (?:in|on|at|below|beside|there|here|alone|between|under|above)": "is; are",
    r"whoever": "anyone who; the process that",
    r"whatever": "any; everything that",
    r"(?:until|before|after|when|since) it says": "prints; reports",
    r"says? (?:so|what|when|how|that|nothing|which|why|where)": "prints, reports, states, names",
    r"said": "reported; printed; written; the teacher's",
    r"(?:tells|told)": "reports; is notified; received",
    r"(?:hears?|heard)": "receives; is notified; listener",
    r"(?<!there\s)is no (?:checkpoint|study|shard|clip|directory|folder|model|lineage|whole)": (
        "is not a ..."
    ),
    r"no kept (?:study|checkpoint)": "not a study that was kept",
    r"(?:ms|bytes|MB|kB|seconds|clips/s|clips|batches|figures|GMACs|GFLOPs|rate|steps) an? "
    r"(?:clip|core|frame|step|stage|epoch|second|batch|unit|model)": "per clip, per core, ...",
    r"(?:one|actor|worker|process|stage|file|line|folder|test|npz|verb|task) an? "
    r"(?:clip|core|frame|stage|video|verb|word|claim|epoch|GPU|pool|model)": "per clip, per core",
    r"(?:\w*Error|None|True|False|empty|absent|zero) where": "if",
    r"where (?:there is|there are|it is|they are|that is) (?:no|none|not|missing)": "if; when",
    r"hence": "so; therefore",
    r"(?:thereof|therein|thereby|wherein|whereby|whence|thence)": "a plain clause",
    r"by heart": "memorised",
    r"(?:goes|go|gone|went|going) on (?:with|from|where)": "continues, resumes",
    r"(?:is|was|were|are) at hand": "is available",
    r"it is missed": "its loss is noticed",
}
# the same for parts of names in code, matched as they are
NAMES = {
    r"\w*_AN?_(?:UNIT|CORE|CLIP|FRAME|STEP|SHARD|SECOND)": "_PER_",
    r"(?:LEAST|MOST|LONGEST|LARGEST|SMALLEST|SHARPEST)_[A-Z_]+": "MIN_, MAX_",
}


@dataclass(frozen=True)
class Finding:
    """One use of a phrase: where, the text found, and what to write."""

    place: str
    line: int
    found: str
    write: str

    def __str__(self) -> str:
        return f"{self.place}:{self.line}: {self.found!r}: write {self.write}"


def _compile(phrase: str, flags: int) -> re.Pattern[str]:
    """Also across a line's end, and as a part of a name in code such as `said_BK`."""
    gap = r"""(?:\s+(?:[#*>]+\s+)?|\s*["']\s+f?["'])"""
    return re.compile(rf"(?<![A-Za-z])(?:{phrase.replace(' ', gap)})(?![A-Za-z])", flags)


_COMPILED = [
    (_compile(phrase, flags), write)
    for table, flags in ((PHRASES, re.IGNORECASE), (NAMES, 0))
    for phrase, write in table.items()
]


def find_phrases(text: str, place: str) -> list[Finding]:
    """Every use in the text, by line; lines that carry the mark are left out."""
    lines = text.splitlines()
    found = []
    for pattern, write in _COMPILED:
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            last = text.count("\n", 0, match.end()) + 1
            if not any(ALLOW_MARK in lines[at - 1] for at in range(line, last + 1)):
                found.append(Finding(place, line, " ".join(match[0].split()), write))
    return sorted(found, key=lambda finding: finding.line)


def checked_files() -> Iterator[Path]:
    """The files that git tracks and that people wrote."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if name in ALLOWED or name.startswith(SKIPPED_FOLDERS) or path.suffix not in SUFFIXES:
            continue
        if path.is_file():
            yield path


def check(paths: Iterable[Path]) -> list[Finding]:
    """What the files have."""
    findings = []
    for path in paths:
        place = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
        findings += find_phrases(path.read_text(encoding="utf-8"), place)
    return findings


def main() -> None:
    """Print the findings; exit status 1 if there are any."""
    given = [Path(name).resolve() for name in sys.argv[1:]]
    findings = check(given or checked_files())
    print("\n".join(map(str, findings)))
    if findings:
        files = len({finding.place for finding in findings})
        sys.exit(
            f"{len(findings)} phrases in {files} files; see the table in {Path(__file__).name}"
        )


if __name__ == "__main__":
    main()
