"""The public interface: what is exported, that importing it is fast, and its typing."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import lipnet

PACKAGE = Path(lipnet.__file__).parent
PUBLIC = {
    *("InputError", "VideoError"),
    *("ModelSpec", "Recipe", "Lipreader", "build_model", "Cost", "cost_of"),
    *("ModelCard", "choose_part", "Part", "Leave", "load_card", "load_model", "save_weights"),
    *("CropOptions", "Cropped", "DlibDetector", "LandmarkOptions", "crop_video"),
    *("Embeddings", "embed_videos", "Reader", "Reading", "Rejection", "read_video"),
    *("Corpus", "Estimate", "Evaluation", "evaluate"),
    *("EpochRecord", "train_model"),
    *("Exported", "export_model"),
    *("Compressed", "compress_model"),
}


def test_the_public_names_are_these() -> None:
    assert set(lipnet.__all__) == PUBLIC
    assert lipnet.__all__ == sorted(lipnet.__all__)
    assert set(dir(lipnet)) >= PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_name_is_the_one_that_type_checkers_see(name: str) -> None:
    imported = {
        alias.name: node.module
        for node in ast.walk(ast.parse(Path(lipnet.__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    value = getattr(lipnet, name)
    assert value.__module__ == imported[name]
    assert inspect.getdoc(value)


@pytest.mark.parametrize(
    "name", [name for name in sorted(PUBLIC) if inspect.isfunction(getattr(lipnet, name))]
)
def test_a_public_function_is_typed(name: str) -> None:
    signature = inspect.signature(getattr(lipnet, name))
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(
        own.annotation is not inspect.Parameter.empty for own in signature.parameters.values()
    )


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'crop_videos_of'"):
        _ = lipnet.crop_videos_of  # type: ignore[attr-defined]


def test_importing_the_package_loads_nothing_else() -> None:
    probe = (
        "import lipnet, sys; print(*sorted({'torch', 'numpy', 'cv2', 'dlib'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""


def test_the_package_is_marked_as_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()
