#!/bin/sh
# Installs requirements.lock and this project into a virtual environment, with that environment's own
# interpreter. After an interruption, run it again: it completes what is incomplete.
# usage: sh scripts/install.sh VENV PYTHON       (from the repository's root)
set -eu
venv=$1 python=$2
# Never make the environment with its own, perhaps broken Python: PATH has it if it is active.
PATH=$(printf %s "$PATH" | tr : '\n' | grep -vxF "$PWD/$venv/bin" | paste -sd : -)

fail() {
  echo "error: $1" >&2
  exit 1
}

right_version() {
  "$1" -c 'import re, sys
known = re.search(r"requires-python = \">=3\.(\d+),<3\.(\d+)\"", open("pyproject.toml").read())
sys.exit(not (3, int(known[1])) <= sys.version_info[:2] < (3, int(known[2])))' 2>/dev/null
}

# pip writes INSTALLER last but one, so a package without it is incomplete.
works() {
  right_version "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1 &&
    ls "$venv"/lib/python3*/site-packages/pip-*.dist-info/INSTALLER >/dev/null 2>&1
}

test -e .git || grep -qs no_scm .dvc/config.local ||
  fail "this folder is not a git repository, but DVC needs one: run 'git init' here, or, without git, echo '[core]
    no_scm = true' >.dvc/config.local"
if ! works; then
  command -v "$python" >/dev/null ||
    fail "no program $python: install a Python that pyproject.toml allows, or name one: make PYTHON=python3.12"
  right_version "$python" ||
    fail "$python is $("$python" --version 2>&1), but pyproject.toml has $(grep requires-python pyproject.toml): name another one, as in make PYTHON=python3.11"
  "$python" -m venv --clear "$venv" ||
    fail "$python cannot make a virtual environment in $venv (on Debian, install python3-venv)"
fi
for package in "$venv"/lib/python3*/site-packages/*.dist-info; do
  # pip takes a package that it was installing when it was killed for an installed one.
  test -e "$package/INSTALLER" || rm -rf "$package"
done
# Modules are compiled when they are first imported: most never are.
"$venv/bin/python" -m pip install --quiet --no-compile --requirement requirements.lock
"$venv/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable .
touch "$venv/.installed"
