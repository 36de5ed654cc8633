"""Estimates of disk space and time, compared with sums done by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.estimate import (
    LANDMARK_FRAMES_PER_SECOND,
    Corpus,
    LineageWork,
    Machine,
    estimate,
    format_bytes,
    format_seconds,
    time_left,
    time_lineage,
    weigh_gmacs,
)

CORPUS = Corpus(
    videos=100,
    frames_per_video=75,
    clips={"train": 400, "val": 100, "test": 100},
    labels=51,
    rendered=False,
)
WORK = LineageWork("small", gmacs=2.0, parameters=1000, generations=3, epochs=10)
MACHINE = Machine(cores=2, gmacs_per_second=50.0)


def test_training_counts_forward_backward_teachers_and_validation() -> None:
    # 3 students of 3 passes each, 2 of them taught by the one before; 3 predict the 100 of val
    trained = 10 * ((9 * 2 + 2 * 2) * 400 + 3 * 2 * 100)
    assert time_lineage(WORK, CORPUS, MACHINE) == pytest.approx(trained / 50)
    taught = replace(WORK, generations=1, teacher_gmacs=7.0)
    trained = 10 * ((3 * 2 + 7) * 400 + 2 * 100)
    assert time_lineage(taught, CORPUS, MACHINE) == pytest.approx(trained / 50)
    left = 10 * ((3 * 2 + 2) * 400 + 2 * 100)
    assert time_left(replace(WORK, done=2), CORPUS, MACHINE) == pytest.approx(left / 50)
    assert time_left(replace(WORK, done=3), CORPUS, MACHINE) == 0


def test_on_a_gpu_the_slowest_of_device_host_and_loader_decides() -> None:
    work = replace(WORK, generations=1, batch=8, step_operations=800, forward_operations=320)
    fast = replace(MACHINE, gmacs_per_second=1e9, seconds_per_operation=1e-5)
    assert time_lineage(work, CORPUS, fast) == pytest.approx(10 * (1e-3 * 400 + 1e-4 * 100))
    slow_disk = replace(fast, clips_per_second=100.0)
    assert time_lineage(work, CORPUS, slow_disk) == pytest.approx(10 * 5)


def test_shards_take_267_kb_per_clip() -> None:
    shards = {row.step: row for row in estimate(CORPUS, [WORK], MACHINE)}["shards"]
    assert shards.disk_bytes / 600 == pytest.approx(267_264, rel=0.02)


def test_steps_of_an_existing_corpus() -> None:
    rows = {row.step: row for row in estimate(CORPUS, [WORK], MACHINE)}
    assert list(rows) == ["raw", "landmarks", "shards", "models", "logits"]
    assert (rows["raw"].disk_bytes, rows["raw"].seconds) == (0, 0)
    assert rows["landmarks"].seconds == 100 * 75 / 2 / LANDMARK_FRAMES_PER_SECOND["dlib"]
    mesh = {row.step: row for row in estimate(replace(CORPUS, landmarks="mesh"), [WORK], MACHINE)}
    assert mesh["landmarks"].seconds > 2 * rows["landmarks"].seconds
    assert rows["models"].disk_bytes == 3 * 1000 * 4
    assert rows["models"].seconds == pytest.approx(time_lineage(WORK, CORPUS, MACHINE))
    assert rows["logits"].disk_bytes == 3 * 200 * 51 * 4


def test_a_rendered_corpus_takes_disk_space_and_time() -> None:
    raw = estimate(replace(CORPUS, rendered=True), [], MACHINE)[0]
    assert raw.disk_bytes > 0
    assert raw.seconds > 0


@given(st.integers(1, 64), st.integers(1, 10**6), st.integers(0, 10))
def test_more_work_never_costs_less(cores: int, videos: int, generations: int) -> None:
    corpus, work = replace(CORPUS, videos=videos), replace(WORK, generations=generations)
    less = estimate(corpus, [work], Machine(cores + 1, 50.0))
    more = estimate(
        replace(corpus, videos=videos + 1),
        [replace(work, generations=generations + 1)],
        Machine(cores, 50.0),
    )
    for one, other in zip(less, more, strict=True):
        assert 0 <= one.disk_bytes <= other.disk_bytes
        assert 0 <= one.seconds <= other.seconds


def test_depthwise_models_cost_more_than_their_multiply_adds() -> None:
    assert weigh_gmacs(1.0, "shufflenetv2") > weigh_gmacs(1.0, "resnet18") > 1.0


def test_sizes_and_durations_are_printed_with_fitting_units() -> None:
    assert [format_bytes(n) for n in (900, 2.5e6, 144e9, 1.2e12)] == [
        "1 kB",
        "2.5 MB",
        "144.0 GB",
        "1.2 TB",
    ]
    assert [format_seconds(s) for s in (9, 300, 9_000, 400_000)] == [
        "9 s",
        "5.0 min",
        "2.5 hours",
        "4.6 days",
    ]
