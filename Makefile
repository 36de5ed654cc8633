# Nine verbs: reproduce, test, lint, phrases, flow, ui, web, demo, faults. PROFILE and SET go with reproduce and flow:
# make reproduce PROFILE=grid SET="source.root=/data/grid"
VENV := .venv
# or: make PYTHON=python3.12 ...
PYTHON ?= python3.11
# Number of test processes: twice the two cores, because many tests wait for a server or for DVC;
# 0 runs the tests in one process, for a debugger
WORKERS ?= 4
STAMP := $(VENV)/.installed
# The environment's own interpreter, by its path: without one, a command must fail rather than use
# the system's. The stages that DVC starts find it by PATH.
PY := $(VENV)/bin/python
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export RAY_USAGE_STATS_ENABLED := 0
export DVC_NO_ANALYTICS := true
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1
# Container images often set it; every process would then compile each module that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: reproduce held flow test lint phrases ui web demo faults profile
reproduce: $(STAMP)
	@$(PY) -m pipeline.checkout $(MAKE) --no-print-directory held

# The steps of `reproduce`, run while it holds the checkout's lock
held: profile
	@$(PY) -m pipeline.preflight
	@$(PY) -m dvc repro
	@$(PY) -m pipeline.leaderboard
	@$(PY) -m tracking.publish

# The flow composes the profile itself, while it holds the checkout's lock.
flow: $(STAMP)
	@$(PY) -m flows.deployments $(if $(PROFILE),--profile $(PROFILE)) $(SET)

test: $(STAMP)
	@$(PY) -m pytest -n $(WORKERS) $(ARGS)

# Injects kill -9, lost actors and full disks, FAULTS times each in preprocessing and in training,
# and lost nodes and faults of the whole system at least three times each, at random moments
# (FAULTS_SEED), and damaged files of each kind
faults: $(STAMP)
	@FAULTS=$(or $(FAULTS),20) $(PY) -m pytest --timeout=0 --capture=no tests/e2e/test_faults.py \
		tests/e2e/test_nodes.py tests/e2e/test_system.py tests/lipnet/train/test_resume.py \
		tests/malformed/test_mutations.py \
		-k "fault or killed or lost or documented" $(ARGS)

lint: $(STAMP)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) scripts/check_phrases.py

# Lists uses of the phrases that scripts/check_phrases.py bans, and what to write instead
phrases: $(STAMP)
	@$(PY) scripts/check_phrases.py

ui: $(STAMP)
	@$(PY) -m flows.servers

# Installs what the page of `lipnet export --web` runs its networks with, at the locked version
web:
	@npm ci --prefix web --no-audit --no-fund

# Reads lips in this machine's browser, by a released model: a video, or the camera
demo: $(STAMP)
	@test -d web/node_modules/onnxruntime-web || $(MAKE) --no-print-directory web
	@$(VENV)/bin/lipnet demo $(ARGS)

profile: $(STAMP)
ifneq ($(PROFILE)$(SET),)
	@$(PY) -m pipeline.profile $(or $(PROFILE),$(shell sed -n 's/^profile: //p' params.yaml)) $(SET)
endif

$(STAMP): requirements.lock pyproject.toml
	@sh scripts/install.sh $(VENV) $(PYTHON)
