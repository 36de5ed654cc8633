"""Operations are counted for any size, and backward adds to forward."""

import pytest

from lipnet.measure.operations import count_operations
from lipnet.spec import ModelSpec


@pytest.mark.parametrize(
    "spec", ["resnet18_0.125x + tcn_0.25x", "resnet18_0.125x + tcn_0.25x + boundary"]
)
def test_a_step_has_more_operations_than_its_forward_pass(spec: str) -> None:
    narrow = count_operations(ModelSpec.parse(spec))
    assert narrow.forward < narrow.step < 4 * narrow.forward
    wide = count_operations(ModelSpec.parse(spec.replace("18_0.125x", "18_0.25x")))
    assert wide.step == pytest.approx(narrow.step, rel=0.02)  # a few layers choose another way


def test_more_branches_are_more_operations() -> None:
    tcn, dsmstcn = (
        count_operations(ModelSpec.parse(f"shufflenetv2_0.5x + {head}_0.75x"))
        for head in ("tcn", "dsmstcn")
    )
    assert dsmstcn.step > tcn.step > 500


def test_a_step_trains_the_early_exits_too() -> None:
    plain, leaving = (
        count_operations(ModelSpec.parse(f"resnet18_0.125x + tcn_0.25x{option}"))
        for option in ("", " + exits")
    )
    assert leaving.forward > plain.forward + 50
    assert leaving.step > plain.step + 1.5 * (leaving.forward - plain.forward)
