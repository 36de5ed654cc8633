"""The rates of a report: read back as they were written, or refused with the reason."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipnet.doctor.rates import Rates, TrainingRate, read_rates
from lipnet.errors import InputError

RATES = Rates("cuda", "A card", 16, (TrainingRate("resnet18 + tcn_1x", 32, 88, 29, 500, 812.5),))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("doctor")


@settings(max_examples=30)
@given(
    st.text(), st.integers(1, 10_000), st.floats(1e-3, 1e9, allow_nan=False), st.integers(1, 4096)
)
def test_rates_are_read_as_they_were_written(
    folder: Path, name: str, cores: int, rate: float, batch: int
) -> None:
    training = TrainingRate("resnet18 + tcn_1x", batch, 88, 29, 500, rate)
    rates = Rates("cpu", name, cores, (training, training))
    report = folder / "report.txt"
    report.write_text(f"torch 2\n{RATES.line}\nrating\n\n{rates.line}\n", "utf-8")
    assert read_rates(report) == rates


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rates {", "rate {", "has no measured rates: make it by `lipnet doctor --report"),
        ('"cores": 16', '"cores": 0', "cores is 0"),
        ("812.5", "NaN", "clips_per_second is nan, not a finite number"),
        ("812.5", "-1", "clips_per_second is -1.0, not above 0"),
        ('"cuda"', '"tpu"', "device is 'tpu', not cpu or cuda"),
        ("500", '"500"', "labels is '500', not a whole number"),
        ("}]}", "", "the line `rates` is damaged"),
    ],
)
def test_a_damaged_report_is_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    report = tmp_path / "report.txt"
    report.write_text(RATES.line.replace(old, new))
    with pytest.raises(InputError, match=message):
        read_rates(report)


def test_a_report_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt: No such file"):
        read_rates(tmp_path / "none.txt")
