"""Programs of the pipeline run in this process, which has imported torch already."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

from stages import progress
from tests.stages.working import Untracked


def run_here(place: Path, module: str, *arguments: str) -> None:
    """Run a module's `main` as `python -m` would in the folder `place`, without MLflow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(sys, "argv", [module, *arguments])
        patch.setattr(progress, "ModelRun", Untracked)
        import_module(module).main()
