"""Select a profile: compose conf/ into params.yaml, as `dvc exp run -S profile=...` does.

Changes are KEY=VALUE, such as source.root=/data/grid; taught={} leaves out a section, and
lineages=NAME,NAME keeps only these lineages and those that they are made from. chains=one keeps
only the first distilled lineage of each spec, and those that teach it. A change that changes
nothing is refused.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from dvc.utils.hydra import compose_and_dump
from hydra.errors import HydraException
from pydantic import WithJsonSchema

from lipnet.errors import InputError
from lipnet.spec import ModelSpec
from pipeline.checkout import lock_checkout
from pipeline.inputs import PARAMS
from pipeline.params import Params, load_params
from pipeline.program import run_program

CONF = Path("conf")
USAGE = "usage: python -m pipeline.profile NAME [KEY=VALUE ...]"
LINEAGES, CHAINS = "lineages=", "chains="
LATEST = "as in params.yaml"
EMPTY = re.compile(r"([\w.-]+)=\{\}")  # which Hydra would merge, and so change nothing


def main() -> None:
    """Write params.yaml for the profile and the changes given on the command line."""
    if len(sys.argv) < 2:
        raise InputError(f"{USAGE}; profiles: {', '.join(known_profiles())}")
    with lock_checkout(wait=False):
        params = choose_profile(sys.argv[1], sys.argv[2:])
    if any(change.startswith((LINEAGES, CHAINS)) for change in sys.argv[2:]):
        print(f"lineages: {', '.join(params.lineages)}")


def known_profiles() -> list[str]:
    """The profiles under conf/profile."""
    return sorted(path.stem for path in (CONF / "profile").glob("*.yaml"))


# Any text; a form that is made from its JSON schema offers the profiles that exist.
ProfileChoice = Annotated[
    str, WithJsonSchema({"type": "string", "enum": [LATEST, *known_profiles()]})
]


def choose_profile(profile: str, changes: Sequence[str]) -> Params:
    """Compose the profile with `changes`, check it, and write params.yaml.

    InputError leaves params.yaml as it was.
    """
    composed = PARAMS.with_name(".params.tmp.yaml")
    try:
        params = compose_profile(profile, changes, composed)
        composed.replace(PARAMS)
    finally:
        composed.unlink(missing_ok=True)
    return params


def compose_profile(
    profile: str, changes: Sequence[str], place: Path, *, any_root: bool = False
) -> Params:
    """Write the profile with `changes` to the file `place` and check it.

    With `any_root`, a source.root that its user has yet to set is the folder of `place`: enough to
    plan with. InputError for an unknown profile, or a change that is wrong or changes nothing.
    """
    if profile not in known_profiles():
        raise InputError(f"unknown profile {profile!r}; known: {', '.join(known_profiles())}")
    check_effects(profile, changes, place)
    content = compose(profile, changes, place)
    if any_root and not content["source"]["root"] and content["synthetic"] is None:
        compose(profile, [*changes, f"source.root={place.parent}"], place)
    try:
        params = load_params(place)
    except InputError as error:  # it names a file that is not there afterwards
        message = str(error).replace(str(place), f"the profile {profile} with these changes")
        raise InputError(message) from None
    if params.profile != profile:
        raise InputError(
            f"profile {profile!r} composes to {params.profile!r}: a profile's own file sets "
            "`profile` to its name, and no change may set it to another"
        )
    return params


def compose(profile: str, changes: Sequence[str], place: Path) -> dict[str, Any]:
    """Write the profile with `changes` to `place`; returns its content."""
    conf = str(CONF.absolute())  # profiles, and a plugin that keeps the outputs of the others
    filters = [change for change in changes if change.startswith((LINEAGES, CHAINS))]
    overrides = [f"profile={profile}"]
    for change in changes:
        if found := EMPTY.fullmatch(change):
            overrides += [f"~{found[1]}", f"+{change}"]
        elif change not in filters:
            overrides.append(change)
    try:
        compose_and_dump(place, conf, None, "config", conf, overrides)
    except HydraException as error:
        raise InputError(f"{' '.join(changes)}: {error}") from None
    content: dict[str, Any] = yaml.safe_load(place.read_text(encoding="utf-8"))
    for change in filters:
        if change.startswith(CHAINS):
            content |= keep_chains(content, change.removeprefix(CHAINS))
        else:
            content |= keep_lineages(content, change.removeprefix(LINEAGES))
        place.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), "utf-8")
    return content


def check_effects(profile: str, changes: Sequence[str], place: Path) -> None:
    """InputError for a change without which the profile's content would be the same."""
    content = compose(profile, changes, place) if changes else {}
    for number, change in enumerate(changes):
        try:
            without = compose(profile, [*changes[:number], *changes[number + 1 :]], place)
        except InputError:  # another change needs this one
            continue
        if without == content:
            raise InputError(
                f"{change} changes nothing: the profile {profile} has this value, or another "
                "change sets it; leave it out"
            )


def keep_lineages(content: Mapping[str, Any], names: str) -> dict[str, Any]:
    """The sections of lineages with only these, and those that teach them or that they are made
    from."""
    sections = {kind: content.get(kind, {}) for kind in ("scratch", "taught", "compressed")}
    entries = {name: entry for section in sections.values() for name, entry in section.items()}
    wanted = [name.strip() for name in names.strip("[]").split(",") if name.strip()]
    unknown = [name for name in wanted if name not in entries]
    if unknown or not wanted:
        raise InputError(
            f"{LINEAGES}{names}: unknown {', '.join(unknown) or 'lineage'}; this profile has: "
            f"{', '.join(entries)}"
        )
    kept: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in kept:
            kept.add(name)
            wanted += [entries[name][key] for key in ("teacher", "of") if key in entries[name]]
    cascades = content.get("cascades", {})
    return {
        **{
            kind: {name: entry for name, entry in section.items() if name in kept}
            for kind, section in sections.items()
        },
        "cascades": {n: own for n, own in cascades.items() if {own["small"], own["large"]} <= kept},
    }


def keep_chains(content: Mapping[str, Any], number: str) -> dict[str, Any]:
    """The sections of lineages with one distilled lineage per spec and seed, the first of several,
    and those that teach it."""
    if number != "one":
        raise InputError(f"{CHAINS}{number}: the only choice is {CHAINS}one")
    first: dict[tuple[ModelSpec, Any], str] = {}
    for name, entry in content.get("taught", {}).items():
        seed = entry.get("recipe", {}).get("seed")
        first.setdefault((ModelSpec.parse(entry["spec"]), seed), name)
    kept = {*content.get("scratch", {}), *first.values()}
    packed = content.get("compressed", {})
    kept |= {name for name, entry in packed.items() if entry["of"] in kept}
    return keep_lineages(content, ",".join(sorted(kept)))


if __name__ == "__main__":
    run_program(main)
