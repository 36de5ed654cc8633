"""A lineage of several widths: they train together, it resumes, and one file has them all."""
# B batch  K classes

from pathlib import Path

import pytest
import torch

from lipnet.distill.loss import distillation_loss
from lipnet.lineage.generation import WEIGHTS_FILE, read_generation
from lipnet.lineage.slimmable import SlimmableForm, SlimmableStorage
from lipnet.models.weights import load_card, load_model
from lipnet.spec import ModelSpec
from tests.lipnet.lineage.test_lineage import Recorder, make_plan, train

SPEC = ModelSpec.parse("resnet18_0.25x + tcn_0.125x")
WIDTHS = (1.0, 0.5)


@pytest.mark.slow
def test_an_interrupted_training_resumes_to_the_same_file_of_all_widths(tmp_path: Path) -> None:
    plan = make_plan(spec=SPEC, generations=0, storage=SlimmableStorage(SPEC, WIDTHS))
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    made = train(plan, whole)[0]
    with pytest.raises(KeyboardInterrupt):
        train(plan, torn, Recorder(stop_after=1))
    assert train(plan, torn) == [made]
    path = whole / "g0" / WEIGHTS_FILE
    assert path.read_bytes() == (torn / "g0" / WEIGHTS_FILE).read_bytes()
    assert read_generation(whole / "g0").widths == WIDTHS
    assert load_card(path).widths == WIDTHS
    narrow = load_model(path, width=0.5)[0]
    fresh = SPEC.at_width(0.5)
    assert load_model(path, width=0.5)[1].spec == str(fresh)
    means = [own for name, own in narrow.named_buffers() if name.endswith("running_mean")]
    assert all(bool(mean.any()) for mean in means)  # its own statistics were trained


def test_the_widest_teaches_the_others_and_gets_no_gradient_from_them() -> None:
    own_BK = torch.randn(4, 3, requires_grad=True)
    others = [torch.randn(4, 3, requires_grad=True) for _ in range(2)]
    loss = SlimmableForm(SPEC, WIDTHS).further_loss(others, own_BK, None)  # type: ignore[arg-type]
    expected = sum(distillation_loss(other, own_BK) for other in others)
    torch.testing.assert_close(loss, torch.as_tensor(expected))
    loss.backward()
    assert own_BK.grad is None
    assert all(other.grad is not None for other in others)
