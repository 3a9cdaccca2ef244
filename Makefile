# The commands for developing the template; `make help` lists them. They need Python 3.10 or later:
#   make check PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WHEELS ?= dist
TOOLS := $(if $(filter /%,$(BIN)),$(BIN),$(CURDIR)/$(BIN))

# the runtime is checked in place, with its own settings and without leaving caches in the template
RUNTIME_HOME := {{cookiecutter.model_slug}}
CODE := template_extensions hooks scripts tests $(wildcard benchmarks)

# without bytecode every server of the tests would compile the runtime again
unexport PYTHONDONTWRITEBYTECODE

export MYPY_CACHE_DIR := $(CURDIR)/.mypy_cache
export RUFF_CACHE_DIR := $(CURDIR)/.ruff_cache

.DEFAULT_GOAL := help
.PHONY: help demo check test test-slow coverage lint lock golden bench wheel picture screenshot clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do \
		printf '%-17s %s\n' "$$name" "$$text"; done

demo: $(VENV)/.installed ## generate a repository, run its server and a job on it, and clean up
	@$(BIN)/python scripts/demo.py

# Every test is in exactly one of these three; tests/README.md describes the marks.
QUICK := not (command or server or network or docker or slow)
NORMAL := (command or server or network) and not (docker or slow)
SLOW := docker or slow

PYTEST := $(BIN)/pytest -n auto --dist loadgroup --no-loadscope-reorder

check: lint ## check the style and the types, and run the quick tests (three minutes)
	$(PYTEST) -m '$(QUICK)' $(PYTEST_ARGS)
	$(PYTEST) -m '$(QUICK)' $(PYTEST_ARGS) tests/runtime

test: check ## run make check, then the servers and the real commands, on every Python that is found (half an hour)
	$(PYTEST) -m '$(NORMAL)' $(PYTEST_ARGS)

test-slow: $(VENV)/.installed-dev ## run the other tests: frameworks, containers, Ray, long runs
	$(PYTEST) -m '$(SLOW) or hypothesis' --hypothesis-profile=thorough $(PYTEST_ARGS)

coverage: $(VENV)/.installed-dev ## list the lines that the quick tests do not reach
	$(BIN)/coverage run -m pytest -q -m '$(QUICK)'
	$(BIN)/coverage run --append -m pytest -q -m '$(QUICK)' tests/runtime
	$(BIN)/coverage report

lint: $(VENV)/.installed-dev ## check the style and the types
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy $(CODE)
	cd '$(RUNTIME_HOME)/flask_psc_model' && '$(TOOLS)/ruff' check --quiet .
	cd '$(RUNTIME_HOME)/flask_psc_model' && '$(TOOLS)/ruff' format --check --quiet .
	cd '$(RUNTIME_HOME)' && '$(TOOLS)/mypy' --cache-dir '$(MYPY_CACHE_DIR)/runtime' -p flask_psc_model

lock: $(VENV)/.installed-dev ## renew the pinned requirements
	PYTHONPATH=. $(BIN)/python scripts/lock.py $(FRAMEWORKS)

golden: $(VENV)/.installed-dev ## renew the golden trees of the tests; review them with git diff
	@$(BIN)/python scripts/golden.py

bench: $(VENV)/.installed-dev ## measure the figures in docs/speed.md
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/render.py
	$(BIN)/python benchmarks/batches.py
	$(BIN)/python benchmarks/gpu.py

wheel: $(VENV)/.installed-dev ## build the server as a wheel, flask-psc-model, in dist/
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir '$(WHEELS)' .

picture: $(VENV)/.installed-dev ## record the session in docs/questions.md
	$(BIN)/python scripts/picture.py

screenshot: $(VENV)/.installed-dev ## renew the picture of the web page in README.md; needs Chromium
	@PYTHONPATH=. $(BIN)/python scripts/screenshot.py

clean: ## remove the virtual environment and all caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .bench .coverage dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

define CHECK_PYTHON
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	echo "error: this needs Python 3.10 or later, and $(PYTHON) is $$(command -v $(PYTHON) >/dev/null && $(PYTHON) -V 2>&1 || echo none that runs):" \
		"pass another, as in \"make $(MAKECMDGOALS) PYTHON=python3.12\"" >&2; exit 1; }
endef

# These files mark the requirements as installed, so that the next run is quick.

$(VENV)/.installed: requirements.txt
	@$(CHECK_PYTHON)
	@echo "Installing the packages for rendering into $(VENV), once (a few seconds)"
	@$(PYTHON) scripts/environment.py $(VENV) requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt
	@$(CHECK_PYTHON)
	@echo "Installing the packages for development into $(VENV), once (less than a minute)"
	@$(PYTHON) scripts/environment.py $(VENV) requirements-dev.txt
	@touch $@ $(VENV)/.installed
