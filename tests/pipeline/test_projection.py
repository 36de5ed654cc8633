"""Hours by the rates of a report: what was measured is given back, and every profile has a row."""

from dataclasses import replace
from pathlib import Path

import pytest

from lipnet.doctor.rates import Rates, TrainingRate
from lipnet.errors import InputError
from lipnet.sources.discover import find_source
from pipeline import projection, reported
from pipeline.estimate import Corpus, LineageWork, Machine, estimate
from pipeline.machine import Rated
from pipeline.plan_table import Plan
from pipeline.profile import known_profiles
from pipeline.reported import rate_reported

LARGE = TrainingRate("large", 32, 88, 29, 500, 4000.0)
MIDDLE, SMALL = (replace(LARGE, spec=spec) for spec in ("middle", "small"))
# Multiply-adds of a clip's forward pass, and the operations of a step
COSTS = {"large": (10.0, 300), "middle": (1.0, 900), "small": (0.5, 700)}


@pytest.fixture(autouse=True)
def _costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models with the costs of the table."""
    monkeypatch.setattr(reported.ModelSpec, "parse", lambda text: text)
    monkeypatch.setattr(reported, "weigh_model", lambda spec, *_, **__: (COSTS[spec][0], 0))
    monkeypatch.setattr(reported, "count_operations", lambda spec: (0, COSTS[spec][1]))


def hours(rated: Rated, spec: str, clips: int) -> float:
    """Hours of an epoch of this many clips, without validation."""
    corpus = Corpus(clips, 29, {"train": clips}, 500, rendered=False)
    gmacs, operations = COSTS[spec]
    work = LineageWork(spec, gmacs, 0, 1, 1, step_operations=operations)
    rows = {row.step: row.seconds for row in estimate(corpus, [work], rated.machine)}
    return rows["models"] / 3600


def test_the_trainings_that_give_the_rates_take_what_was_measured() -> None:
    small = replace(SMALL, clips_per_second=2000.0)
    rated = rate_reported(Rates("cuda", "A card", 16, (small, LARGE)))
    assert hours(rated, "large", 4000 * 3600) == pytest.approx(1)
    assert hours(rated, "small", 2000 * 3600) == pytest.approx(1)
    assert rated.machine.cores == 16
    assert "A card (cuda, 16 cores), measured by lipnet doctor: 120,000 GMAC/s" in rated.origin
    assert rate_reported(Rates("cuda", "A card", 16, (small, LARGE)), 4).machine.cores == 4


def test_a_training_that_took_longer_than_its_estimate_is_named() -> None:
    small = replace(SMALL, clips_per_second=2000.0)  # 16 ms for 700 operations
    middle = replace(MIDDLE, clips_per_second=1400.0)  # 22.9 ms for 900, at that rate 20.6
    rated = rate_reported(Rates("cuda", "A card", 16, (middle, small, LARGE)))
    assert rated.origin.endswith("; middle took 11 % longer than it would by these rates")


def test_a_cpu_is_rated_by_multiply_adds_alone() -> None:
    rated = rate_reported(Rates("cpu", "x86_64", 2, (replace(SMALL, clips_per_second=20.0),)))
    assert hours(rated, "small", 20 * 3600) == pytest.approx(1)
    assert hours(rated, "large", 3600) == pytest.approx(1)
    assert rated.machine.seconds_per_operation == 0


def test_the_rate_of_a_cpu_is_not_that_of_other_cores() -> None:
    with pytest.raises(InputError, match="--cores 64: the report measured a CPU with 2 cores"):
        rate_reported(Rates("cpu", "x86_64", 2, (SMALL,)), 64)


@pytest.mark.parametrize(
    ("source", "options", "labels", "clips"),
    [
        ("lrw", {}, 500, {"train": 488_763, "val": 25_000, "test": 25_000}),
        ("lrw", {"words": ["A", "B"]}, 2, {"train": 1955, "val": 100, "test": 100}),
        ("lrw1000", {}, 1000, {"train": 603_193, "val": 63_237, "test": 51_588}),
        (
            "grid",
            {"train_speakers": ["s1"], "val_fraction": 0.1, "fold": "1/3", "background": 2},
            52,
            {"train": 567 * 8, "val": 100 * 8, "test": 333 * 8, "unseen": 32_000 * 8},
        ),
    ],
)
def test_published_sizes(
    source: str, options: dict[str, object], labels: int, clips: dict[str, int]
) -> None:
    whole = find_source(source).published(options)
    assert whole is not None
    assert (whole.labels, dict(whole.clips)) == (labels, clips)


def test_every_profile_has_a_row_of_known_or_unknown_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.txt"
    report.write_text(Rates("cpu", "x86_64", 2, (SMALL,)).line)
    monkeypatch.setattr("sys.argv", ["projection", str(report), "--gpus", "0"])
    with pytest.raises(InputError, match="1 or more"):
        projection.main()
    monkeypatch.undo()
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(projection, "known_profiles", lambda: ["folder", "tiny"])
    machine = rate_reported_without_costs()
    found = {one.profile: one for one in projection.project(machine.machine)}
    assert found["folder"].plan is None
    assert found["folder"].cells(8) == ["folder", *["-"] * 5]
    tiny = found["tiny"].cells(None)
    assert tiny[:3] == ["tiny", "24", "3"]
    assert (
        "folder: the size of the corpus is not known"
        in projection.describe_unknown(list(found.values()))[0]
    )
    assert set(found) < set(known_profiles())


def test_trained_and_compressed_models_are_counted_apart() -> None:
    works = [LineageWork("a", 1.0, 0, 5, 80), LineageWork("a-int8", 1.0, 0, 1, 0)]
    plan = Plan(Corpus(1, 29, {}, 2, rendered=False), works, Machine(1, 1.0), [], [])
    assert projection.Projection("own", plan, compressed=1).models == "5 + 1"
    assert projection.Projection("own", plan).models == "6"


def rate_reported_without_costs() -> Rated:
    """A machine by the cost of a real model."""
    spec = "resnet18_0.125x + tcn_0.125x"
    return rate_reported(Rates("cpu", "x86_64", 2, (replace(SMALL, spec=spec, input_size=24),)))
