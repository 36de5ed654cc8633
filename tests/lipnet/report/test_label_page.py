"""The page's sections on labels: what they state of windows without a word."""

from lipnet.labels import BACKGROUND
from lipnet.report.label_page import describe_background
from lipnet.report.rows import LabelRow


def test_background_clips_are_counted_on_the_test_split_of_the_best_model() -> None:
    rows = [
        LabelRow("a-g0", "test", BACKGROUND, 40, 0.5),
        LabelRow("a-g0", "test", "bin", 60, 0.5),
        LabelRow("a-g0", "val", BACKGROUND, 7, 0.5),
        LabelRow("b-g0", "test", BACKGROUND, 40, 0.5),
    ]
    assert describe_background(rows, "a-g0").startswith(" 40 of the 100 test clips are windows")
    assert describe_background(rows[1:2], "a-g0") == ""
