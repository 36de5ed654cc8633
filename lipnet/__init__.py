"""Lipreading, small enough for a phone: models, distillation and the data path.

The names below are the library's public interface. Each is imported when it is first used, so
that `import lipnet` takes no time; torch is loaded by the first name that needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lipnet.crops.crop import CropOptions as CropOptions
    from lipnet.errors import InputError as InputError
    from lipnet.inference.budget import Part as Part
    from lipnet.inference.budget import choose_part as choose_part
    from lipnet.inference.clip_model import Leave as Leave
    from lipnet.inference.crop import Cropped as Cropped
    from lipnet.inference.crop import crop_video as crop_video
    from lipnet.inference.embed import Embeddings as Embeddings
    from lipnet.inference.embed import embed_videos as embed_videos
    from lipnet.inference.evaluate import Corpus as Corpus
    from lipnet.inference.evaluate import Evaluation as Evaluation
    from lipnet.inference.evaluate import evaluate as evaluate
    from lipnet.inference.read import Reader as Reader
    from lipnet.inference.read import Reading as Reading
    from lipnet.inference.read import read_video as read_video
    from lipnet.landmarks.detector import DlibDetector as DlibDetector
    from lipnet.landmarks.options import LandmarkOptions as LandmarkOptions
    from lipnet.measure.accuracy import Estimate as Estimate
    from lipnet.measure.cost import Cost as Cost
    from lipnet.measure.cost import cost_of as cost_of
    from lipnet.models.build import build_model as build_model
    from lipnet.models.lipreader import Lipreader as Lipreader
    from lipnet.models.rejection import Rejection as Rejection
    from lipnet.models.weights import ModelCard as ModelCard
    from lipnet.models.weights import load_card as load_card
    from lipnet.models.weights import load_model as load_model
    from lipnet.models.weights import save_weights as save_weights
    from lipnet.recipe import Recipe as Recipe
    from lipnet.single.compress import Compressed as Compressed
    from lipnet.single.compress import compress_model as compress_model
    from lipnet.single.export import Exported as Exported
    from lipnet.single.export import export_model as export_model
    from lipnet.single.train import train_model as train_model
    from lipnet.spec import ModelSpec as ModelSpec
    from lipnet.train.history import EpochRecord as EpochRecord
    from lipnet.video.decode import VideoError as VideoError

_MODULES = {
    "Compressed": "lipnet.single.compress",
    "Corpus": "lipnet.inference.evaluate",
    "Cost": "lipnet.measure.cost",
    "CropOptions": "lipnet.crops.crop",
    "Cropped": "lipnet.inference.crop",
    "DlibDetector": "lipnet.landmarks.detector",
    "Embeddings": "lipnet.inference.embed",
    "EpochRecord": "lipnet.train.history",
    "Estimate": "lipnet.measure.accuracy",
    "Evaluation": "lipnet.inference.evaluate",
    "Exported": "lipnet.single.export",
    "InputError": "lipnet.errors",
    "LandmarkOptions": "lipnet.landmarks.options",
    "Leave": "lipnet.inference.clip_model",
    "Lipreader": "lipnet.models.lipreader",
    "ModelCard": "lipnet.models.weights",
    "ModelSpec": "lipnet.spec",
    "Part": "lipnet.inference.budget",
    "Reader": "lipnet.inference.read",
    "Reading": "lipnet.inference.read",
    "Recipe": "lipnet.recipe",
    "Rejection": "lipnet.models.rejection",
    "VideoError": "lipnet.video.decode",
    "build_model": "lipnet.models.build",
    "choose_part": "lipnet.inference.budget",
    "compress_model": "lipnet.single.compress",
    "cost_of": "lipnet.measure.cost",
    "crop_video": "lipnet.inference.crop",
    "embed_videos": "lipnet.inference.embed",
    "evaluate": "lipnet.inference.evaluate",
    "export_model": "lipnet.single.export",
    "load_card": "lipnet.models.weights",
    "load_model": "lipnet.models.weights",
    "read_video": "lipnet.inference.read",
    "save_weights": "lipnet.models.weights",
    "train_model": "lipnet.single.train",
}

__all__ = [
    "Compressed",
    "Corpus",
    "Cost",
    "CropOptions",
    "Cropped",
    "DlibDetector",
    "Embeddings",
    "EpochRecord",
    "Estimate",
    "Evaluation",
    "Exported",
    "InputError",
    "LandmarkOptions",
    "Leave",
    "Lipreader",
    "ModelCard",
    "ModelSpec",
    "Part",
    "Reader",
    "Reading",
    "Recipe",
    "Rejection",
    "VideoError",
    "build_model",
    "choose_part",
    "compress_model",
    "cost_of",
    "crop_video",
    "embed_videos",
    "evaluate",
    "export_model",
    "load_card",
    "load_model",
    "read_video",
    "save_weights",
    "train_model",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
