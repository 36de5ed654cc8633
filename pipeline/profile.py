"""Select a profile: compose conf/ into params.yaml, as `dvc exp run -S profile=...` does."""

import sys
from pathlib import Path

from dvc.utils.hydra import compose_and_dump
from hydra.errors import HydraException

from lipnet.errors import InputError
from pipeline.checkout import lock_checkout
from pipeline.inputs import PARAMS
from pipeline.params import load_params
from pipeline.program import run_program

CONF = Path("conf")
USAGE = "usage: python -m pipeline.profile NAME [KEY=VALUE ...]"


def main() -> None:
    """Write params.yaml for the profile and the changes given on the command line."""
    if len(sys.argv) < 2:
        raise InputError(f"{USAGE}; profiles: {', '.join(known_profiles())}")
    with lock_checkout(wait=False):
        choose_profile(sys.argv[1], sys.argv[2:])


def known_profiles() -> list[str]:
    """The profiles under conf/profile."""
    return sorted(path.stem for path in (CONF / "profile").glob("*.yaml"))


def choose_profile(profile: str, changes: list[str]) -> None:
    """Compose the profile with `changes` (such as source.root=/data/grid) and check it.

    InputError leaves params.yaml as it was.
    """
    if profile not in known_profiles():
        raise InputError(f"unknown profile {profile!r}; known: {', '.join(known_profiles())}")
    conf = str(CONF.absolute())  # profiles, and a plugin that keeps the outputs of the others
    composed = PARAMS.with_name(".params.tmp.yaml")
    overrides = [f"profile={profile}", *changes]
    try:
        compose_and_dump(composed, conf, None, "config", conf, overrides)
        found = load_params(composed).profile
        if found != profile:
            raise InputError(
                f"profile {profile!r} composes to {found!r}: a profile's own file sets `profile` "
                "to its name, and no change may set it to another"
            )
        composed.replace(PARAMS)
    except HydraException as error:
        raise InputError(f"{' '.join(changes)}: {error}") from None
    finally:
        composed.unlink(missing_ok=True)


if __name__ == "__main__":
    run_program(main)
