"""The progress meter prints plain lines if standard error is not a terminal."""

from types import SimpleNamespace

import pytest

from pipeline import meter
from pipeline.meter import Meter


def test_lines_have_counts_and_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(meter, "time", SimpleNamespace(monotonic=lambda: now))
    with Meter(40, "landmarks: videos") as progress:
        now += 1
        progress.advance()  # too early for a line
        now += 11
        progress.advance(9)
        progress.advance(30)
    assert capsys.readouterr().err.splitlines() == [
        "landmarks: videos: 10 of 40, 12 s, about 36 s left",
        "landmarks: videos: 40 of 40, 12 s",
    ]


def test_what_an_earlier_run_did_does_not_count_in_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(meter, "time", SimpleNamespace(monotonic=lambda: now))
    with Meter(100, "landmarks: videos") as progress:
        for count in (20, 20):
            now += 10
            progress.skip(count)
        now += 20
        progress.advance(10)
        now += 1
        progress.skip(50)
    assert capsys.readouterr().err.splitlines() == [
        "landmarks: videos: 20 of 100, 10 s",
        "landmarks: videos: 40 of 100, 20 s",
        "landmarks: videos: 50 of 100, 40 s, about 100 s left",
        "landmarks: videos: 100 of 100, 41 s",
    ]


def test_a_failed_stage_prints_no_final_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), Meter(2, "raw: clips"):
        _ = 1 // 0
    assert capsys.readouterr().err == ""
