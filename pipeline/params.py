"""params.yaml: parsed only here, and checked completely before any work."""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, Field, ValidationError

from lipnet.crops.crop import CropOptions
from lipnet.errors import InputError
from lipnet.files import digest_of
from lipnet.how import How
from lipnet.landmarks.options import LandmarkOptions
from lipnet.recipe import Recipe
from lipnet.sources.discover import find_source
from lipnet.sources.synthetic.options import SyntheticOptions
from lipnet.spec import ModelSpec
from lipnet.urls import find_secret
from pipeline.inputs import PARAMS
from pipeline.sections import (
    RECIPE,
    TUNING,
    Cascade,
    CheckedRecipe,
    Compressed,
    Compute,
    Scratch,
    Section,
    Shards,
    Source,
    Taught,
    Workers,
    check_profile,
    keys_of,
)

RESERVED_ID = re.compile(r"champion|latest|v[0-9]+")  # aliases of the model registry
ENSEMBLE_ID = re.compile(r"ensemble-greedy|.*-all|.*-g[0-9]+")
LINEAGE_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Params(Section):
    """The whole params.yaml."""

    profile: Annotated[str, AfterValidator(check_profile)]
    source: Source
    synthetic: Annotated[SyntheticOptions, keys_of(SyntheticOptions)] | None
    landmarks: Annotated[LandmarkOptions, keys_of(LandmarkOptions)]
    crops: Annotated[CropOptions, keys_of(CropOptions)]
    shards: Shards
    workers: Workers
    compute: Compute = Compute.model_validate({})
    recipe: CheckedRecipe
    scratch: dict[str, Scratch]
    taught: dict[str, Taught]
    compressed: dict[str, Compressed] = Field(default_factory=dict)
    cascades: dict[str, Cascade] = Field(default_factory=dict)

    @property
    def lineages(self) -> list[str]:
        """All lineages, those that are compressed last."""
        return [*self.scratch, *self.taught, *self.compressed]

    def spec_of(self, lineage: str) -> ModelSpec:
        """The architecture of a lineage."""
        entry = self._entry(lineage)
        if isinstance(entry, Compressed):
            how = How.parse(entry.how)
            return self.spec_of(entry.of).at_width(how.width).at_exit(how.exit)
        return ModelSpec.parse(entry.spec)

    def widths_of(self, lineage: str) -> tuple[float, ...]:
        """The widths of a lineage of several, from 1 down; () for any other."""
        entry = self._entry(lineage)
        return () if isinstance(entry, Compressed) else entry.widths

    def source_of(self, lineage: str) -> str | None:
        """The lineage that another one's teacher or source is of; None for a scratch lineage."""
        entry = self._entry(lineage)
        if isinstance(entry, Scratch):
            return None
        return entry.of if isinstance(entry, Compressed) else entry.teacher

    def epochs_of(self, lineage: str) -> int:
        """The epochs of each of a lineage's trainings, 0 if it is compressed without tuning."""
        entry = self._entry(lineage)
        is_stored = isinstance(entry, Compressed) and not entry.recipe
        return 0 if is_stored else self.recipe_of(lineage).epochs

    def recipe_of(self, lineage: str) -> Recipe:
        """The profile's recipe with the lineage's changes; that of its source with TUNING's and
        its own if it is compressed and tuned."""
        where = f"{self._group(lineage)}.{lineage}.recipe"
        entry = self._entry(lineage)
        if isinstance(entry, Compressed):
            changes = {**TUNING, **entry.recipe} if entry.recipe else {}
            return _change(self.recipe_of(entry.of), changes, where)
        return _change(self.recipe, entry.recipe, where)

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
        if lineage in self.compressed:
            return "compressed"
        return "scratch" if lineage in self.scratch else "taught"

    def _entry(self, lineage: str) -> Scratch | Taught | Compressed:
        entry = (
            self.scratch.get(lineage) or self.taught.get(lineage) or self.compressed.get(lineage)
        )
        if entry is None:
            known = ", ".join(self.lineages)
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
    check_cascades(params)
    return params


def check_lineages(params: Params) -> None:
    """InputError for a duplicate or malformed id, an unknown spec or lineage, or a cycle."""
    groups = {name: getattr(params, name) for name in ("scratch", "taught", "compressed")}
    for (first, one), (second, other) in combinations(groups.items(), 2):
        for lineage in sorted(set(one) & set(other)):
            raise InputError(f"lineage {lineage} is in both {first} and {second}: rename one")
    for lineage in params.lineages:
        if not LINEAGE_ID.fullmatch(lineage):
            raise InputError(f"lineage id {lineage!r}: use a-z, 0-9 and single hyphens")
        if RESERVED_ID.fullmatch(lineage):
            raise InputError(f"lineage id {lineage!r} is reserved by MLflow's registry: rename it")
    for lineage in params.compressed:
        _check_compressed(params, lineage)
    for lineage in [*params.scratch, *params.taught]:
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


def _check_compressed(params: Params, lineage: str) -> None:
    """InputError if there is nothing to compress, or the recipe cannot tune it."""
    where, entry = f"compressed.{lineage}", params.compressed[lineage]
    known = ", ".join([*params.scratch, *params.taught])
    if entry.of in params.compressed:
        raise InputError(
            f"{where}: {entry.of} is compressed already: name what it was made from, "
            f"{params.compressed[entry.of].of}"
        )
    if entry.of not in params.scratch and entry.of not in params.taught:
        raise InputError(f"{where}: unknown lineage {entry.of!r} to compress; known: {known}")
    how = How.parse(entry.how)
    if how.width != 1 and (how.width not in params.widths_of(entry.of) or entry.recipe):
        raise InputError(
            f"{where}: how {how} takes one of the widths of {entry.of} as it was trained: declare "
            f"`widths` there ({list(params.widths_of(entry.of))}), and leave out `recipe`"
        )
    if how.exit and (not params.spec_of(entry.of).exits or entry.recipe):
        raise InputError(
            f"{where}: how {how} takes an exit of {entry.of} as it was trained: add '+ exits' to "
            "its spec, and leave out `recipe`"
        )
    if how.is_graph and entry.recipe:
        raise InputError(f"{where}.recipe: {how} is calibrated and not tuned: leave recipe out")
    try:
        how.check_spec(params.spec_of(lineage))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    if entry.recipe and "epochs" not in entry.recipe:
        raise InputError(f"{where}.recipe has no epochs: set for how many it is tuned")
    if params.recipe_of(lineage).input_facts != params.recipe_of(entry.of).input_facts:
        raise InputError(
            f"{where}.recipe changes recipe.field, input_size, mean or std: it sees the same "
            f"frames as {entry.of}, so leave them out"
        )


def check_cascades(params: Params) -> None:
    """InputError for a name that another row has, and a pair that cannot save anything."""
    for name, entry in params.cascades.items():
        _check_cascade(params, name, entry)


def _check_cascade(params: Params, name: str, entry: Cascade) -> None:
    where = f"cascades.{name}"
    if not LINEAGE_ID.fullmatch(name) or ENSEMBLE_ID.fullmatch(name) or name in params.lineages:
        raise InputError(
            f"{where}: use a-z, 0-9 and single hyphens, and a name that no lineage or ensemble has"
        )
    for lineage in (entry.small, entry.large):
        if lineage not in params.lineages:
            known = ", ".join(params.lineages)
            raise InputError(f"{where}: unknown lineage {lineage!r}; known: {known}")
    if params.spec_of(entry.small) == params.spec_of(entry.large):
        raise InputError(f"{where}: {entry.small} and {entry.large} have one spec, so equal cost")


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
        if teacher in params.compressed:
            raise InputError(
                f"taught.{chain[-1]}: {teacher} is compressed and teaches no lineage: name what it "
                f"was made from, {params.compressed[teacher].of}"
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
