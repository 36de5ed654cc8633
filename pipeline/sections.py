"""The sections of params.yaml: their keys, and what each value may be."""

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    model_validator,
)

from lipnet.cutting.upload import resolve_url
from lipnet.errors import InputError
from lipnet.how import How
from lipnet.recipe import Recipe
from lipnet.shards.codec import DEFAULT_CODEC, find_codec
from lipnet.spec import ModelSpec, check_widths

PROFILE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}")
RESERVED_PROFILES = ("released", "tmp")  # other folders of data/


def keys_of(kind: type) -> BeforeValidator:
    """A check that a section has only keys that are fields of the dataclass `kind`."""
    known = sorted(field.name for field in fields(kind))

    def check(section: object) -> object:
        unknown = sorted(set(section) - set(known)) if isinstance(section, Mapping) else []
        if unknown:
            raise ValueError(f"unknown key {', '.join(unknown)}; known: {', '.join(known)}")
        return section

    return BeforeValidator(check)


def check_profile(name: str) -> str:
    """The profile's name, which names folders in data/ and data/tmp."""
    if not PROFILE.fullmatch(name):
        raise ValueError(f"{name!r}: use up to 64 of a-z, A-Z, 0-9, _ and -, and no - or _ first")
    if name.lower() in RESERVED_PROFILES:
        raise ValueError(f"{name!r} is reserved: data/{name} has another use")
    return name


class Section(BaseModel):
    """A section of params.yaml; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# How a recipe is read, wherever it is: types, keys and ranges.
CheckedRecipe = Annotated[Recipe, keys_of(Recipe)]
RECIPE = TypeAdapter(CheckedRecipe)


class Source(Section):
    """The corpus; if `root` is empty, the pipeline renders one."""

    name: str
    root: str = ""
    options: dict[str, Any] = Field(default_factory=dict)


class Shards(Section):
    """How crops are packed; `url` is the fsspec URL or path to store them at (empty: data/)."""

    clips_per_shard: int = Field(256, ge=1)
    codec: Annotated[str, AfterValidator(lambda name: find_codec(name).name)] = DEFAULT_CODEC
    url: Annotated[str, AfterValidator(lambda url: resolve_url(url) and url)] = ""


class Workers(Section):
    """Resources to use: Ray actors (0: one per core), memory for the clips of a split, threads that
    unpack clips in each process that trains or predicts (0: as many as torch uses, at most 8), and
    the folder on a local disk for decoded clips that do not fit into that memory (empty: none).
    """

    actors: int = Field(0, ge=0)
    memory_gib: float = Field(8.0, gt=0)
    decoders: int = Field(0, ge=0, le=256)
    cache: str = ""

    @property
    def cache_folder(self) -> Path | None:
        """The folder for decoded clips, if there is to be one."""
        return Path(self.cache).expanduser() if self.cache else None


class Compute(Section):
    """How all models are trained.

    workers: processes per model, each with a GPU if there are any; more than 1 use Ray Train.
    compile: whether to use torch.compile.
    checkpoint_minutes: time between checkpoints within an epoch (0: only at the end of an epoch).
    record_gib: disk space for recorded teacher logits (0: teachers run for every student).
    """

    workers: int = Field(1, ge=1)
    compile: bool = False
    checkpoint_minutes: float = Field(10.0, ge=0)
    record_gib: float = Field(0.0, ge=0)


# From the widest down, in any order in the file.
Widths = Annotated[
    tuple[float, ...], AfterValidator(lambda widths: tuple(sorted(widths, reverse=True)))
]


def check_section_widths(spec: str, widths: tuple[float, ...], *, born_again: int) -> None:
    """InputError for widths that the spec cannot have, or generations of them."""
    if not widths:
        return
    check_widths(ModelSpec.parse(spec), widths)
    if born_again:
        raise InputError("a lineage with widths has no born-again generations")


class Scratch(Section):
    """A lineage that starts without a teacher.

    generations: the number of born-again generations after g0.
    recipe: changes to the recipe of every generation; `initial`: further changes for g0 only.
    init: a weights file that g0 starts from.
    widths: shares of the spec's channels that one set of weights is trained for, such as [1, 0.5].
    """

    spec: str
    widths: Widths = ()
    generations: int = Field(0, ge=0)
    patience: int = Field(1, ge=1)
    initial: dict[str, Any] = Field(default_factory=dict)
    recipe: dict[str, Any] = Field(default_factory=dict)
    init: str = ""

    @model_validator(mode="after")
    def _check_widths(self) -> "Scratch":
        check_section_widths(self.spec, self.widths, born_again=self.generations)
        return self


class Taught(Section):
    """A lineage whose g1 is taught by another lineage.

    members: the teacher is the best generation of that lineage, or the ensemble of all.
    init: a weights file that g1 starts from.
    widths: as for a scratch lineage; the widest is taught by the other lineage.
    """

    spec: str
    widths: Widths = ()
    teacher: str
    members: Literal["best", "all"] = "best"
    init: str = ""
    generations: int = Field(1, ge=1)
    patience: int = Field(1, ge=1)
    recipe: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_widths(self) -> "Taught":
        check_section_widths(self.spec, self.widths, born_again=self.generations - 1)
        return self


def find_start(lineage: str, init: str) -> Path | None:
    """The weights file that a lineage starts from, if any; InputError if it does not exist."""
    if init and not Path(init).is_file():
        raise InputError(
            f"{lineage}: init names no file, {init}: run the profile that makes it first, or write "
            "it by `lipnet import-checkpoint`"
        )
    return Path(init) if init else None


class Compressed(Section):
    """The best model of the lineage `of`, with its weights stored by the steps `how`.

    recipe: changes to its source's recipe for tuning, by which its source teaches it; `epochs` is
    one of them. Without any it is not tuned. `how` may start with one of the lineage's widths.
    """

    of: str
    how: Annotated[str, AfterValidator(lambda how: str(How.parse(how)))]
    recipe: dict[str, Any] = Field(default_factory=dict)


class Cascade(Section):
    """Two lineages: the best of `small` answers a clip if it is sure, else the best of `large`."""

    small: str
    large: str


# How a tuned model's recipe differs from its source's, unless it sets these itself.
TUNING: Mapping[str, Any] = {
    "lr": 5e-4,
    "schedule": "cosine_by_step",
    "warmup_epochs": 0,
    "mixup": 0.0,
    "variable_length": False,
    "ema": 0.0,
}
