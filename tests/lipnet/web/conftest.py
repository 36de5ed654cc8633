"""The page that the tests of this folder share: a small model's, exported once."""

from pathlib import Path

import pytest

from lipnet.crops.crop import CropOptions, describe_crops
from lipnet.web.folder import write_page
from tests.lipnet.inference.embedding import write_weights
from tests.sharing import make_once


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with w.safetensors and its page, which has an example."""

    def make(folder: Path) -> None:
        folder.mkdir()
        facts = describe_crops(CropOptions(), "mesh")
        weights = write_weights(folder / "w.safetensors", "resnet18_0.125x + tcn_0.25x", **facts)
        write_page(weights, folder / "page")

    return make_once(tmp_path_factory, "web", make)
