"""Shrink: from stored crops to those held in memory, their centre at a lower resolution."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipnet.recipe import Recipe

# T frames  H W pixels


@dataclass(frozen=True)
class Shrink:
    """Crop the central `keep` x `keep` pixels and downsample them to `size` x `size` by area."""

    keep: int
    size: int

    @classmethod
    def for_recipe(cls, recipe: Recipe) -> "Shrink":
        """From stored crops to those from which the recipe's views are taken."""
        return cls(recipe.stored_field, recipe.stored_size)

    def __call__(self, crops_THW: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The crops [T, size, size]; the same array if it already has this size."""
        edge = (crops_THW.shape[-1] - self.keep) // 2
        if edge > 0:
            crops_THW = crops_THW[:, edge : edge + self.keep, edge : edge + self.keep]
        if crops_THW.shape[-1] == self.size:
            return crops_THW
        shape = (self.size, self.size)
        resized = [cv2.resize(crop, shape, interpolation=cv2.INTER_AREA) for crop in crops_THW]
        return np.stack(resized).astype(np.uint8, copy=False)
