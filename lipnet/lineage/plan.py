"""What a lineage is trained from: its plan, and its data."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch

from lipnet.data.clip_set import ClipSet
from lipnet.data.loader import ClipStore
from lipnet.models.lengths import Lengths
from lipnet.models.lipreader import Lipreader
from lipnet.recipe import Recipe
from lipnet.shards.index import PixelStats
from lipnet.spec import ModelSpec
from lipnet.train.form import AsTrained, Form


class Storage(Protocol):
    """How the weights of a lineage are stored."""

    @property
    def origin(self) -> Mapping[str, object]:
        """Its entries in the origin of the model's card."""
        ...

    @property
    def widths(self) -> tuple[float, ...]:
        """The widths of a network of several, from 1 down."""
        ...

    @property
    def facts(self) -> Mapping[str, object]:
        """What the weights depend on, besides what every training depends on."""
        ...

    def fit(
        self, model: Lipreader, data: "LineageData", recipe: Recipe, device: torch.device
    ) -> Form:
        """The form for a model that training starts from; may change BatchNorm's statistics."""
        ...


class Plain:
    """Every weight as training left it (a Storage)."""

    widths = ()

    @property
    def origin(self) -> Mapping[str, object]:
        return {}

    @property
    def facts(self) -> Mapping[str, object]:
        return {}

    def fit(
        self, model: Lipreader, data: "LineageData", recipe: Recipe, device: torch.device
    ) -> Form:
        return AsTrained()


@dataclass(frozen=True)
class LineagePlan:
    """A lineage to train.

    `teachers`: weights files of another lineage, which teach the first generation together; none
    for a scratch lineage. `initial`: the recipe of g0 alone (in Table 1, Adam for g0 and AdamW
    afterwards). `start`: a weights file from which the first generation starts. `storage`: how the
    weights are stored.
    """

    lineage: str
    spec: ModelSpec
    recipe: Recipe
    generations: int
    patience: int = 1
    teachers: tuple[Path, ...] = ()
    initial: Recipe | None = None
    start: Path | None = None
    storage: Storage = field(default_factory=Plain)

    @property
    def generation_names(self) -> list[str]:
        """g0, g1, ... for a scratch lineage, whose `generations` do not count g0; g1, ... for a
        taught one."""
        first = 1 if self.teachers else 0
        return [f"g{number}" for number in range(first, self.generations + 1)]

    def recipe_of(self, generation: str) -> Recipe:
        """The initial recipe for g0, if there is one."""
        return self.initial if generation == "g0" and self.initial else self.recipe

    def resolve(self, pixels: PixelStats) -> "LineagePlan":
        """The plan with the training crops' statistics where its recipes have "auto"."""
        found = {"mean": pixels.mean, "std": pixels.std}
        initial = self.initial and self.initial.resolve(**found)
        return replace(self, recipe=self.recipe.resolve(**found), initial=initial)


@dataclass(frozen=True)
class LineageData:
    """Training and validation clips, their labels, preprocessing facts, and a digest of all.

    `pixels` are the statistics of the training crops, before they are shrunk. `trained_on` lists
    the training clips for the weights file; None: they are not listed. `shortest`: frames of
    the shortest training clip, and `shortest_cut`: frames that random cuts leave of a clip at
    least, as many if there is nothing around the words to cut off; None: not known.
    """

    train: ClipStore
    val: ClipStore
    labels: list[str]
    preprocessing: Mapping[str, object]
    digest: str
    pixels: PixelStats
    trained_on: ClipSet | None = None
    shortest: int | None = None
    shortest_cut: int | None = None

    def find_lengths(self, recipe: Recipe) -> Lengths:
        """The lengths of the clips in a training by the recipe."""
        is_cut = recipe.variable_length and (
            self.shortest_cut is None or self.shortest_cut != self.shortest
        )
        share = float(recipe.cut_share) if is_cut else 0.0
        context = recipe.min_context if share else 0
        shortest = self.shortest_cut if share else self.shortest
        return Lengths(self.train.longest, share, context, shortest)
