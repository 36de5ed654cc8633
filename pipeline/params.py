"""The only reader of params.yaml: checked once, whole, before any work."""

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lipnet.crops.crop import CropOptions
from lipnet.errors import InputError
from lipnet.files import digest_of
from lipnet.landmarks.track import LandmarkOptions
from lipnet.recipe import Recipe
from lipnet.shards.codec import DEFAULT_CODEC, find_codec
from lipnet.shards.upload import resolve_url
from lipnet.sources.synthetic.options import SyntheticOptions
from lipnet.spec import ModelSpec

PARAMS = Path("params.yaml")
RESERVED_ID = re.compile(r"champion|latest|v[0-9]+")  # aliases of the model registry
LINEAGE_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def _keys_of(kind: type) -> BeforeValidator:
    """A check that a section has only the keys of the dataclass that it becomes."""
    known = sorted(field.name for field in fields(kind))

    def check(section: object) -> object:
        unknown = sorted(set(section) - set(known)) if isinstance(section, Mapping) else []
        if unknown:
            raise ValueError(f"unknown key {', '.join(unknown)}; known: {', '.join(known)}")
        return section

    return BeforeValidator(check)


class Section(BaseModel):
    """A part of params.yaml; a key that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Section):
    """Where clips come from; an empty root: rendered by the pipeline."""

    name: str
    root: str = ""
    options: dict[str, Any] = Field(default_factory=dict)


class Shards(Section):
    """How crops are packed, and the fsspec URL or path that they go to (empty: beside the rest)."""

    clips_per_shard: int = Field(256, ge=1)
    codec: Annotated[str, AfterValidator(lambda name: find_codec(name).name)] = DEFAULT_CODEC
    url: Annotated[str, AfterValidator(lambda url: resolve_url(url) and url)] = ""


class Workers(Section):
    """What of the machine is used: Ray actors (0: one a core), memory for a split's clips."""

    actors: int = Field(0, ge=0)
    memory_gib: float = Field(8.0, gt=0)


class Compute(Section):
    """How models are trained, whatever they are: processes (each with a GPU where there are any;
    above 1 by Ray Train), torch.compile, a checkpoint within an epoch every so many steps (0: at
    its end alone), and disk for teachers' logits (0: teachers are asked anew each time)."""

    workers: int = Field(1, ge=1)
    compile: bool = False
    checkpoint_steps: int = Field(500, ge=0)
    record_gib: float = Field(0.0, ge=0)


class Scratch(Section):
    """A lineage that starts without a teacher; `generations` counts the born-again ones, `initial`
    changes the recipe of g0 alone, `recipe` that of every generation; `init` is a weights file
    that g0 starts from."""

    spec: str
    generations: int = Field(0, ge=0)
    patience: int = Field(1, ge=1)
    initial: dict[str, Any] = Field(default_factory=dict)
    recipe: dict[str, Any] = Field(default_factory=dict)
    init: str = ""


class Taught(Section):
    """A lineage whose g1 is taught by another lineage: by its best generation, or by all of them
    as one (`members`); `init` is a weights file that g1 starts from."""

    spec: str
    teacher: str
    members: Literal["best", "all"] = "best"
    init: str = ""
    generations: int = Field(1, ge=1)
    patience: int = Field(1, ge=1)
    recipe: dict[str, Any] = Field(default_factory=dict)


class Params(Section):
    """All of params.yaml."""

    profile: str
    source: Source
    synthetic: Annotated[SyntheticOptions, _keys_of(SyntheticOptions)] | None
    landmarks: Annotated[LandmarkOptions, _keys_of(LandmarkOptions)]
    crops: Annotated[CropOptions, _keys_of(CropOptions)]
    shards: Shards
    workers: Workers
    compute: Compute = Compute.model_validate({})
    recipe: Annotated[Recipe, _keys_of(Recipe)]
    scratch: dict[str, Scratch]
    taught: dict[str, Taught]

    def spec_of(self, lineage: str) -> ModelSpec:
        """The architecture of a lineage."""
        return ModelSpec.parse(self._entry(lineage).spec)

    def recipe_of(self, lineage: str) -> Recipe:
        """The profile's recipe with the lineage's changes."""
        return _change(self.recipe, self._entry(lineage).recipe, f"{lineage}.recipe")

    def initial_recipe_of(self, lineage: str) -> Recipe:
        """The recipe of a scratch lineage's g0."""
        entry = self._entry(lineage)
        changes = entry.initial if isinstance(entry, Scratch) else {}
        return _change(self.recipe_of(lineage), changes, f"{lineage}.initial")

    def list_classes(self) -> list[list[str]]:
        """The taught lineages, two or more together, that hear one teacher say the same: about the
        same views in the same order."""
        heard: dict[str, list[str]] = {}
        for lineage, entry in self.taught.items():
            recipe = self.recipe_of(lineage)
            # What several say together depends on the temperature at which they are averaged.
            alone = entry.members == "best"
            facts = [entry.teacher, alone or recipe.temperature, recipe.view_facts]
            heard.setdefault(digest_of(facts), []).append(lineage)
        return [group for group in heard.values() if len(group) > 1]

    def _entry(self, lineage: str) -> Scratch | Taught:
        entry = self.scratch.get(lineage) or self.taught.get(lineage)
        if entry is None:
            known = ", ".join([*self.scratch, *self.taught])
            raise InputError(f"unknown lineage {lineage!r}; this profile has: {known}")
        return entry


def load_params(path: Path = PARAMS) -> Params:
    """Read and check params.yaml: every key, spec, recipe and the whole graph of teachers.

    Raises InputError, naming the key, for what is missing, unknown or wrong.
    """
    if not path.exists():
        raise InputError(f"{path} is missing: choose a profile with `make reproduce PROFILE=...`")
    try:
        params = Params.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML: {error}") from None
    except ValidationError as error:
        raise InputError(f"{path}: " + "; ".join(_describe(error))) from None
    _check_source(params)
    check_lineages(params)
    return params


def check_lineages(params: Params) -> None:
    """InputError for an id that is taken or malformed, an unknown spec or teacher, or a cycle."""
    twice = sorted(set(params.scratch) & set(params.taught))
    if twice:
        raise InputError(f"lineage {twice[0]} stands in both scratch and taught: rename one")
    for lineage in [*params.scratch, *params.taught]:
        if not LINEAGE_ID.fullmatch(lineage):
            raise InputError(f"lineage id {lineage!r}: use a-z, 0-9 and single hyphens")
        if RESERVED_ID.fullmatch(lineage):
            raise InputError(f"lineage id {lineage!r} means something else in MLflow: rename it")
        params.spec_of(lineage)
        if params.initial_recipe_of(lineage).input_facts != params.recipe_of(lineage).input_facts:
            raise InputError(
                f"scratch.{lineage}.initial changes recipe.field, input_size, mean or std: all "
                "generations of a lineage see the same"
            )
        _check_field(params, lineage)
    for lineage in params.taught:
        _check_teachers(params, lineage)
    _check_boundaries(params)


def _check_boundaries(params: Params) -> None:
    """InputError where only some lineages are told the word's boundary: that is another task, so
    such models are never compared, taught or averaged with others."""
    names = [*params.scratch, *params.taught]
    told = [name for name in names if params.spec_of(name).boundary]
    untold = [name for name in names if name not in told]
    if told and untold:
        raise InputError(
            f"{told[0]} is told the word's boundary and {untold[0]} is not: that is another task, "
            "so give '+ boundary' to every spec of a profile or to none"
        )


def _check_field(params: Params, lineage: str) -> None:
    """InputError where a recipe looks at more of a crop than is cut."""
    field, keep = params.recipe_of(lineage).field, params.recipe_of(lineage).stored_field
    if keep > params.crops.size:
        raise InputError(
            f"recipe.field {field} of {lineage} needs crops of {keep} pixels, and crops.size is "
            f"{params.crops.size}: make the field smaller or the crops larger"
        )


def _check_teachers(params: Params, lineage: str) -> None:
    """Follow the teachers of a lineage up to one that was trained from scratch."""
    chain = [lineage]
    while chain[-1] in params.taught:
        teacher = params.taught[chain[-1]].teacher
        if teacher in chain:
            raise InputError(f"a cycle of teachers: {' <- '.join([*chain, teacher])}")
        if teacher not in params.scratch and teacher not in params.taught:
            known = ", ".join([*params.scratch, *params.taught])
            raise InputError(f"taught.{chain[-1]}: unknown teacher {teacher!r}; known: {known}")
        chain.append(teacher)
    seen = [params.recipe_of(member).input_facts for member in chain]
    if any(facts != seen[0] for facts in seen):
        raise InputError(
            f"the chain {' <- '.join(chain)} differs in recipe.field, input_size, mean "
            "or std: a teacher must see its student's view, so give them the same"
        )


def _check_source(params: Params) -> None:
    rendered = params.source.name == "synthetic" and not params.source.root
    if rendered and params.synthetic is None:
        raise InputError(
            "source.name is synthetic, so the section `synthetic` must say what to render"
        )
    if not rendered and not params.source.root:
        raise InputError(
            f"source.root is empty: set it to the folder that holds {params.source.name}, "
            "in params.yaml or in the profile under conf/profile"
        )


def _change(recipe: Recipe, changes: Mapping[str, Any], where: str) -> Recipe:
    known = {field.name for field in fields(Recipe)}
    unknown = sorted(set(changes) - known)
    if unknown:
        raise InputError(
            f"{where}: unknown key {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        )
    kinds = {name: type(getattr(recipe, name)) for name in changes}
    try:
        return replace(recipe, **{name: kinds[name](value) for name, value in changes.items()})
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {error}") from None


def _describe(error: ValidationError) -> list[str]:
    """One line a mistake: where it is and what is wrong."""
    lines = []
    for item in error.errors():
        where = ".".join(map(str, item["loc"])) or "the file"
        lines.append(f"{where}: {item['msg'].removeprefix('Value error, ')}")
    return lines
