"""torch.compile is used if it is faster; otherwise the reason is returned."""

import os
import subprocess
import sys

import pytest
import torch

from lipnet.measure import compile as compile_module
from lipnet.measure.compile import FixedShape, compile_model
from lipnet.measure.latency import Latency
from lipnet.models.build import build_model
from lipnet.spec import ModelSpec
from tests.lipnet.specs import keep_one_block_of_each_kind

pytestmark = [
    pytest.mark.slow,  # torch's compiler takes seconds to import
    pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning"),  # torch's own
]
SPEC = ModelSpec.parse("resnet18_0.125x + tcn_0.25x + prelu")
SHAPE = {"frames": 4, "size": 16}


def make_model():
    model = build_model(SPEC, 3, generator=torch.Generator().manual_seed(1)).eval()
    keep_one_block_of_each_kind(model)
    return model


def make_clip(clips=1, frames=4):
    return torch.randn(clips, frames, 16, 16), torch.full((clips,), frames)


def pretend(monkeypatch, compiled_ms, eager_ms):
    def measure(model, **shape):
        took = compiled_ms if isinstance(model, FixedShape) else eager_ms
        return Latency(took, took, 1)

    monkeypatch.setattr(compile_module, "measure_latency", measure)


@pytest.mark.parametrize(("eager_ms", "kept"), [(20.0, True), (10.2, False), (8.0, False)])
def test_only_a_faster_model_is_kept(monkeypatch, eager_ms, kept):
    pretend(monkeypatch, 10.0, eager_ms)
    model = make_model()
    chosen, reason = compile_model(model, **SHAPE)
    assert isinstance(chosen, FixedShape) == kept
    assert (chosen is model) != kept
    assert (reason == "") == kept
    if not kept:
        assert reason == f"not compiled: 10.0 ms per clip, {eager_ms:.1f} without"


WITHOUT_COMPILER = """
from lipnet.models.build import build_model
from lipnet.measure.compile import compile_model
from lipnet.spec import ModelSpec
from tests.lipnet.specs import keep_one_block_of_each_kind
model = build_model(ModelSpec.parse("resnet18_0.125x + tcn_0.25x"), 3)
chosen, reason = compile_model(model, frames=4, size=16)
print(chosen is model, reason)
"""


def test_without_a_compiler_the_model_is_unchanged(tmp_path):
    none = {"CXX": "/no/such/compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_COMPILER]
    run = subprocess.run(command, env={**os.environ, **none}, capture_output=True, text=True)
    assert run.stdout.startswith("True not compiled: "), run.stderr
    assert "/no/such/compiler" in run.stdout


def test_compiled_clips_and_all_others_give_the_same_logits(monkeypatch):
    monkeypatch.setattr(compile_module, "MIN_SPEEDUP", 0)
    model = make_model()
    compiled, _ = compile_model(model, **SHAPE)
    assert isinstance(compiled, FixedShape)
    ran = []
    model.register_forward_hook(lambda *_: ran.append("as it is"))
    with torch.inference_mode():
        for clip in (make_clip(), make_clip(clips=2), make_clip(frames=3)):
            torch.testing.assert_close(compiled(*clip), model.forward(*clip))
    assert len(ran) == 2  # the first clip alone was compiled
