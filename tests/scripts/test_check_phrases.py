"""The phrase lint: each phrase is found, in prose and in names, unless its line may quote it."""

import pytest

from scripts.check_phrases import ALLOW_MARK, NAMES, PHRASES, find_phrases

BAD = [
    "it begins anew",
    "the stage was mended",
    "three faults are struck",
    "it bears a box that is off",
    "so many clips",
    "for want of a GPU",
    "def _bequeath(self):",
    "self._mourn(actor)",
    "FAREWELLS = ()",
    "a file beside it",
    "outputs lie in a folder",
    "where it stands",
    "the number stands at the top",
    "whoever has the lock",
    "whatever it holds",
    "silent until it says anything",
    "the header says what it needs",
    "said_BK = teacher(view)",
    "the process is told",
    "heard = listener.begin()",
    "this is no checkpoint of this version",
    "no kept study",
    "1.4 ms a clip",
    "one a core",
    "CLIPS_A_UNIT = 16",
    "InputError where the file is missing",
    "one worker where there is no GPU",
    "hence this",
    "parts thereof",
    "it knows them by heart",
    "it goes on from there",
    "no GPU was at hand",
    "LEAST_SIZE = 3",
    "it is missed after a second",
]
GOOD = [
    "besides, there is no checkpoint",
    "labels that lips cannot tell apart",
    "1.4 ms per clip",
    "MIN_SIZE = 3",
    "the folder where clips are stored",
    "a recommendation of the amendment",
    "understand the forbearance",
]


@pytest.mark.parametrize("text", BAD)
def test_a_banned_phrase_is_found(text: str) -> None:
    assert find_phrases(text, "x.py")


@pytest.mark.parametrize("text", GOOD)
def test_plain_english_passes(text: str) -> None:
    assert find_phrases(text, "x.py") == []


def test_every_phrase_of_the_table_has_an_example() -> None:
    written = {finding.write for text in BAD for finding in find_phrases(text, "x.py")}
    assert written == {*PHRASES.values(), *NAMES.values()}


@pytest.mark.parametrize(
    "text", ["for want\nof room", "# for want\n# of room", '"for want "\n    "of room"']
)
def test_a_phrase_is_found_across_lines(text: str) -> None:
    (found,) = find_phrases(f"first\n{text}", "x.py")
    assert (found.line, found.place) == (2, "x.py")


def test_a_quotation_is_allowed_by_its_mark() -> None:
    assert find_phrases(f'"hence"  # {ALLOW_MARK}: quoted', "x.py") == []
