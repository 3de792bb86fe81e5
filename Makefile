# Two commands do everything on a fresh clone: `make repro` and `make test`.

PYTHON ?= python3
PLAN ?= docs/study/plan.yaml
# Named, because make 3.81 of macOS else runs plain commands without a shell, by the PATH before this.
SHELL := bash
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK = 1
READY := .venv/ready

# A file of tests belongs to one worker: its fixtures are made once, as the files list them.
PYTEST = pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# What `make experiments` shows: the headline numbers, and parameters that differ.
NUMBERS = transfer_delta_e|delta_e|attention_accuracy|seed
SECTIONS = source|filter|clean|sketch|split|augment|model|loss|train|evaluate

.PHONY: repro test quick lint ui experiments study gc check-lock lock help

help:  ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

repro: $(READY)  ## Make the environment if it is missing, and run what changed
	@git rev-parse --git-dir >/dev/null 2>&1 || { echo "refcolor: this folder is no git \
	repository, and DVC compares revisions; clone the repository, or run: git init && git add . && \
	git commit -m start"; exit 1; }
	@python -c 'from refcolor import errors, params; from refcolor.tracking import inputs; \
	errors.run(lambda: inputs.check(params.load()))'
	dvc repro

test: $(READY)  ## All tests, nine minutes on two cores
	$(PYTEST)

quick: $(READY)  ## The tests without the slow ones, two minutes
	$(PYTEST) -m "not slow"

lint: $(READY)  ## Format, lint, types and import contracts
	ruff format --check .
	ruff check .
	mypy
	lint-imports

ui: $(READY)  ## MLflow's page on http://127.0.0.1:5000
	@echo "Runs: http://127.0.0.1:$${PORT:-5000}/#/experiments/1/runs?workflowType=machine_learning"
	@MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true \
	mlflow ui --workers 1 --port $${PORT:-5000} \
	--backend-store-uri $${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}

experiments: $(READY)  ## The experiments with what matters of them: headline numbers, changed parameters
	@dvc exp show --only-changed --hide-workspace \
	--drop '(?!Experiment|($(NUMBERS))$$|($(SECTIONS))\.)'

study: $(READY)  ## Run what a study lacks, and write its tables; stop it when you like
	refcolor study run --plan $(PLAN) $(if $(FOLDER),--folder "$(FOLDER)")
	refcolor study report --plan $(PLAN)

gc: $(READY)  ## Say what fills the disk, and free what no experiment needs after you said yes
	@refcolor gc

check-lock: $(READY)  ## Does dvc.lock match the code and the parameters?
	@if dvc repro --dry --allow-missing | grep "Running stage"; \
	then echo "dvc.lock does not match: run dvc repro and commit dvc.lock"; exit 1; \
	else echo "dvc.lock matches"; fi

lock: $(READY)  ## Write requirements.lock anew from the environment
	pip freeze --exclude-editable | grep -v '@' > requirements.lock

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || { echo \
	"refcolor: Python 3.11 to 3.14 is needed, for which requirements.lock has packages; \
	$(PYTHON) is `$(PYTHON) --version`; name another: make repro PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --editable '.[dev]' --constraint requirements.lock
	touch $(READY)
