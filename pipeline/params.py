"""params.yaml: parsed only here, and checked completely before any work."""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from lipnet.crops.crop import CropOptions
from lipnet.errors import InputError
from lipnet.files import digest_of
from lipnet.landmarks.track import LandmarkOptions
from lipnet.recipe import Recipe
from lipnet.shards.codec import DEFAULT_CODEC, find_codec
from lipnet.shards.upload import resolve_url
from lipnet.sources.discover import find_source
from lipnet.sources.synthetic.options import SyntheticOptions
from lipnet.spec import ModelSpec
from lipnet.urls import find_secret
from pipeline.inputs import PARAMS

RESERVED_ID = re.compile(r"champion|latest|v[0-9]+")  # aliases of the model registry
PROFILE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}")
RESERVED_PROFILES = ("released", "tmp")  # other folders of data/
LINEAGE_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def _keys_of(kind: type) -> BeforeValidator:
    """A check that a section has only keys that are fields of the dataclass `kind`."""
    known = sorted(field.name for field in fields(kind))

    def check(section: object) -> object:
        unknown = sorted(set(section) - set(known)) if isinstance(section, Mapping) else []
        if unknown:
            raise ValueError(f"unknown key {', '.join(unknown)}; known: {', '.join(known)}")
        return section

    return BeforeValidator(check)


def _check_profile(name: str) -> str:
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
CheckedRecipe = Annotated[Recipe, _keys_of(Recipe)]
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
    """Resources to use: Ray actors (0: one per core), and memory for the clips of a split."""

    actors: int = Field(0, ge=0)
    memory_gib: float = Field(8.0, gt=0)


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


class Scratch(Section):
    """A lineage that starts without a teacher.

    generations: the number of born-again generations after g0.
    recipe: changes to the recipe of every generation; `initial`: further changes for g0 only.
    init: a weights file that g0 starts from.
    """

    spec: str
    generations: int = Field(0, ge=0)
    patience: int = Field(1, ge=1)
    initial: dict[str, Any] = Field(default_factory=dict)
    recipe: dict[str, Any] = Field(default_factory=dict)
    init: str = ""


class Taught(Section):
    """A lineage whose g1 is taught by another lineage.

    members: the teacher is the best generation of that lineage, or the ensemble of all.
    init: a weights file that g1 starts from.
    """

    spec: str
    teacher: str
    members: Literal["best", "all"] = "best"
    init: str = ""
    generations: int = Field(1, ge=1)
    patience: int = Field(1, ge=1)
    recipe: dict[str, Any] = Field(default_factory=dict)


class Params(Section):
    """The whole params.yaml."""

    profile: Annotated[str, AfterValidator(_check_profile)]
    source: Source
    synthetic: Annotated[SyntheticOptions, _keys_of(SyntheticOptions)] | None
    landmarks: Annotated[LandmarkOptions, _keys_of(LandmarkOptions)]
    crops: Annotated[CropOptions, _keys_of(CropOptions)]
    shards: Shards
    workers: Workers
    compute: Compute = Compute.model_validate({})
    recipe: CheckedRecipe
    scratch: dict[str, Scratch]
    taught: dict[str, Taught]

    def spec_of(self, lineage: str) -> ModelSpec:
        """The architecture of a lineage."""
        return ModelSpec.parse(self._entry(lineage).spec)

    def recipe_of(self, lineage: str) -> Recipe:
        """The profile's recipe with the lineage's changes."""
        where = f"{self._group(lineage)}.{lineage}.recipe"
        return _change(self.recipe, self._entry(lineage).recipe, where)

    def initial_recipe_of(self, lineage: str) -> Recipe:
        """The recipe of a scratch lineage's g0."""
        entry = self._entry(lineage)
        changes = entry.initial if isinstance(entry, Scratch) else {}
        return _change(self.recipe_of(lineage), changes, f"scratch.{lineage}.initial")

    def group_by_teacher_logits(self) -> list[list[str]]:
        """Groups of two or more taught lineages that need the same teacher logits: from the same
        teacher for the same views in the same order."""
        groups: dict[str, list[str]] = {}
        for lineage, entry in self.taught.items():
            recipe = self.recipe_of(lineage)
            # An ensemble's logits depend on the temperature at which its members are averaged.
            single = entry.members == "best"
            facts = [entry.teacher, single or recipe.temperature, recipe.view_facts]
            groups.setdefault(digest_of(facts), []).append(lineage)
        return [group for group in groups.values() if len(group) > 1]

    def _group(self, lineage: str) -> str:
        return "scratch" if lineage in self.scratch else "taught"

    def _entry(self, lineage: str) -> Scratch | Taught:
        entry = self.scratch.get(lineage) or self.taught.get(lineage)
        if entry is None:
            known = ", ".join([*self.scratch, *self.taught])
            raise InputError(f"unknown lineage {lineage!r}; this profile has: {known}")
        return entry


def load_params(path: Path = PARAMS) -> Params:
    """Read and check params.yaml: every key, spec and recipe, and the graph of teachers.

    Raises InputError that names the key if one is missing, unknown or wrong.
    """
    if not path.exists():
        raise InputError(f"{path} is missing: select a profile with `make reproduce PROFILE=...`")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        _check_values(content, path)
        params = Params.model_validate(content)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} is not valid YAML: {error}") from None
    except ValidationError as error:
        raise InputError(f"{path}: " + "; ".join(_describe(error))) from None
    _check_source(params)
    check_lineages(params)
    return params


def check_lineages(params: Params) -> None:
    """InputError for a duplicate or malformed id, an unknown spec or teacher, or a cycle."""
    twice = sorted(set(params.scratch) & set(params.taught))
    if twice:
        raise InputError(f"lineage {twice[0]} is in both scratch and taught: rename one")
    for lineage in [*params.scratch, *params.taught]:
        if not LINEAGE_ID.fullmatch(lineage):
            raise InputError(f"lineage id {lineage!r}: use a-z, 0-9 and single hyphens")
        if RESERVED_ID.fullmatch(lineage):
            raise InputError(f"lineage id {lineage!r} is reserved by MLflow's registry: rename it")
        params.spec_of(lineage)
        if params.initial_recipe_of(lineage).input_facts != params.recipe_of(lineage).input_facts:
            raise InputError(
                f"scratch.{lineage}.initial changes recipe.field, input_size, mean or std, which "
                "must be the same for all generations of a lineage: set them in its recipe instead"
            )
        _check_field(params, lineage)
    for lineage in params.taught:
        _check_teachers(params, lineage)
    _check_boundaries(params)


def _check_boundaries(params: Params) -> None:
    """InputError if only some lineages use the word boundary as an input.

    That is a different task, so such models are never compared, taught or averaged with others.
    """
    names = [*params.scratch, *params.taught]
    users = [name for name in names if params.spec_of(name).boundary]
    others = [name for name in names if name not in users]
    if users and others:
        raise InputError(
            f"{users[0]} uses the word boundary and {others[0]} does not, which is a different "
            "task: add '+ boundary' to every spec of a profile or to none"
        )


def _check_field(params: Params, lineage: str) -> None:
    """InputError if a recipe's field of view is larger than the stored crops."""
    field, keep = params.recipe_of(lineage).field, params.recipe_of(lineage).stored_field
    if keep > params.crops.size:
        raise InputError(
            f"recipe.field {field} of {lineage} needs crops of {keep} pixels, but crops.size is "
            f"{params.crops.size}: make the field smaller or the crops larger"
        )


def _check_teachers(params: Params, lineage: str) -> None:
    """Follow the teachers of a lineage up to one that is trained from scratch."""
    chain = [lineage]
    while chain[-1] in params.taught:
        teacher = params.taught[chain[-1]].teacher
        if teacher in chain:
            raise InputError(
                f"cycle of teachers: {' <- '.join([*chain, teacher])}; one must be in scratch"
            )
        if teacher not in params.scratch and teacher not in params.taught:
            known = ", ".join([*params.scratch, *params.taught])
            raise InputError(f"taught.{chain[-1]}: unknown teacher {teacher!r}; known: {known}")
        chain.append(teacher)
    seen = [params.recipe_of(member).input_facts for member in chain]
    if any(facts != seen[0] for facts in seen):
        raise InputError(
            f"recipe.field, input_size, mean or std differ within {' <- '.join(chain)}: a teacher "
            "sees the same frames as its student, so set them to the same values"
        )


def _check_source(params: Params) -> None:
    rendered = find_source(params.source.name).rendered and not params.source.root
    if rendered and params.synthetic is None:
        raise InputError(
            f"source.name is {params.source.name} and source.root is empty, so the section "
            "`synthetic` is required: it sets what to render"
        )
    if not rendered and not params.source.root:
        raise InputError(
            f"source.root is empty: set it to the folder of the corpus {params.source.name}, in "
            "params.yaml or in the profile under conf/profile"
        )


def _change(recipe: Recipe, changes: Mapping[str, Any], where: str) -> Recipe:
    """The recipe with these changes, validated as the recipe of the profile is."""
    if not changes:
        return recipe
    try:
        return RECIPE.validate_python({**asdict(recipe), **changes})
    except ValidationError as error:
        raise InputError("; ".join(_describe(error, where))) from None


def _check_values(value: object, path: Path, keys: tuple[str, ...] = ()) -> None:
    """InputError for a number that is not finite, or a secret, anywhere in the file.

    It is a tracked file, and the tracker and the indexes of shards repeat what it holds.
    """
    place = f"{path}: {'.'.join(keys)}"
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{place} is {value}, not a finite number")
    if isinstance(value, str) and (secret := find_secret(value)):
        raise InputError(f"{place} holds {secret}: leave it out, and set it in the environment")
    if isinstance(value, Mapping):
        for name, own in value.items():
            _check_values(own, path, (*keys, str(name)))
    elif isinstance(value, list):
        for number, own in enumerate(value):
            _check_values(own, path, (*keys, str(number)))


def _describe(error: ValidationError, where: str = "") -> list[str]:
    """One line per key: its name, below `where`, and what is wrong with it."""
    faults: dict[str, list[str]] = {}
    for item in error.errors():
        place = [str(part) for part in item["loc"]]
        if len(place) > 1 and place[-2] in ("mean", "std"):  # pydantic adds the type that failed
            place.pop()
        key = ".".join([where] * bool(where) + place) or "the file"
        faults.setdefault(key, []).append(item["msg"].removeprefix("Value error, "))
    return [f"{key}: {', or: '.join(messages)}" for key, messages in faults.items()]
