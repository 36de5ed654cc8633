"""What a lineage is trained from: its plan, and its data."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lipnet.data.clip_set import ClipSet
from lipnet.data.loader import ClipStore
from lipnet.recipe import Recipe
from lipnet.spec import ModelSpec


@dataclass(frozen=True)
class LineagePlan:
    """A lineage to train.

    `teachers`: weights files of another lineage, which teach the first generation together; none
    for a scratch lineage. `initial`: the recipe of g0 alone (in Table 1, Adam for g0 and AdamW
    afterwards). `start`: a weights file from which the first generation starts.
    """

    lineage: str
    spec: ModelSpec
    recipe: Recipe
    generations: int
    patience: int = 1
    teachers: tuple[Path, ...] = ()
    initial: Recipe | None = None
    start: Path | None = None

    @property
    def generation_names(self) -> list[str]:
        """g0, g1, ... for a scratch lineage, whose `generations` do not count g0; g1, ... for a
        taught one."""
        first = 1 if self.teachers else 0
        return [f"g{number}" for number in range(first, self.generations + 1)]


@dataclass(frozen=True)
class LineageData:
    """Training and validation clips, their labels, preprocessing facts, and a digest of all.

    `trained_on` lists the training clips for the weights file; None: they are not listed.
    """

    train: ClipStore
    val: ClipStore
    labels: list[str]
    preprocessing: Mapping[str, object]
    digest: str
    trained_on: ClipSet | None = None
