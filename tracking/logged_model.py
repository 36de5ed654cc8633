"""A model as MLflow keeps it: a folder that loads on any machine without this checkout."""

import shutil
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from lipnet.code import PACKAGE, needed_files

PYFUNC = Path(__file__).with_name("pyfunc.py")
REQUIREMENTS = ("mlflow", "numpy", "opencv-python-headless", "pandas", "safetensors", "torch")


def save_model(folder: Path, weights: Path, *, run_id: str, model_id: str) -> None:
    """Write the model's folder: the weights file, pyfunc.py and what that needs of lipnet."""
    from mlflow import pyfunc
    from mlflow.models import Model

    from lipnet.inference.clip_model import ONNX, read_card
    from tracking.pyfunc import describe_use

    signature, example = describe_use(read_card(weights))
    runtime = ("onnxruntime",) if weights.suffix == ONNX else ()
    with TemporaryDirectory() as copies:
        library = copy_library(Path(copies))
        pyfunc.save_model(
            folder,
            python_model=str(PYFUNC),
            artifacts={"weights": str(weights)},
            code_paths=[str(library)],
            mlflow_model=Model(run_id=run_id, model_id=model_id, model_uuid=model_id),
            pip_requirements=_requirements(*REQUIREMENTS, *runtime),
            signature=signature,
            input_example=example,
        )


def copy_library(folder: Path) -> Path:
    """Copy into the folder what pyfunc.py needs of lipnet; returns the copy.

    A fifth of the files: MLflow uploads each one by a request of its own, for each model.
    """
    library = folder / PACKAGE.name
    for path in needed_files(PYFUNC):
        copy = library / path.relative_to(PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return library


def _requirements(*names: str) -> list[str]:
    """The packages that the model needs, at the installed versions without a build tag (+cpu)."""
    return [f"{name}=={version(name).split('+')[0]}" for name in sorted(names)]
