"""Names in MLflow: accuracy first, results apart from constants, the kinds of models."""

from dataclasses import replace

import pytest

from lipnet.report.csv_rows import column_values
from lipnet.report.rows import RowLatency
from lipnet.train.history import EpochRecord
from tests.tracking.fabricated import model_row
from tracking.names import constants, epoch_figures, final_figures, kind_of, registered_name

ROW = replace(model_row("a-g0"), latency=RowLatency(2.5, None, 1, "Abacus"))


def test_results_are_named_by_subject_with_test_accuracy_first() -> None:
    found = final_figures(ROW)
    assert next(iter(found)) == "accuracy/test_top1"
    assert found["accuracy/val_top5_low"] == 0.85
    assert (found["cost/gflops"], found["cost/latency_ms_p50"]) == (0.25, 2.5)
    assert (found["fit/val_loss"], found["fit/best_epoch"]) == (0.5, 2)
    assert found.keys().isdisjoint({"accuracy/unseen_top1", "cost/latency_ms_p95"})


def test_every_number_of_a_row_is_a_result_or_a_setting() -> None:
    numbers = {name for name, value in column_values(ROW).items() if isinstance(value, float)}
    assert numbers - {name.partition("/")[2] for name in final_figures(ROW)} == {"temperature"}


def test_constants_are_not_results() -> None:
    found = constants(ROW)
    assert found == {
        **{"val_clips": "12", "val_units": "12", "test_clips": "12", "test_units": "12"},
        "latency_threads": "1",
    }


def test_an_epoch_is_logged_with_accuracy_first_and_learning_rate_last() -> None:
    record = EpochRecord(3, 0.1, 1.0, 0.9, 0.1, 2.0, 0.6, 0.8, best=True)
    names = list(epoch_figures(record))
    assert (names[0], names[-1]) == ("by_epoch/val_top1", "by_epoch/lr")
    assert epoch_figures(record)["by_epoch/val_top1"] == 0.6


@pytest.mark.parametrize(
    ("teacher", "is_taught", "kind"),
    [
        (None, False, "scratch"),
        ("big-g0", False, "born-again"),
        ("big-g1", True, "distilled"),
        ("small-by-big-g1", True, "distilled"),
    ],
)
def test_a_model_is_from_scratch_born_again_or_distilled(
    teacher: str | None, is_taught: bool, kind: str
) -> None:
    assert kind_of(teacher, is_taught=is_taught) == kind


def test_a_model_from_given_weights_is_fine_tuned_unless_it_has_a_teacher() -> None:
    start = "f" * 16
    assert kind_of(None, is_taught=False, start=start) == "fine-tuned"
    assert kind_of("big-g0", is_taught=True, start=start) == "distilled"
    assert kind_of("a-g0", is_taught=False, how="int8", start=start) == "compressed"


def test_a_spec_has_a_registered_model_of_its_own() -> None:
    assert (
        registered_name("grid", "resnet18 + tcn_1x + prelu") == "lipnet-grid-resnet18-tcn_1x-prelu"
    )
