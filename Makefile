# The few commands of a checkout. A bare Linux machine needs make and python3 (3.11 or newer, with
# venv).
#
#   make demo PYTHON=python3.13    chooses the interpreter; after a change of mind: make clean
#   make test ARGS="-k ring"       passes arguments to pytest
#   make soak SOAK=storm           runs another program of tests/soak

PYTHON ?=
ARGS ?=
SOAK ?= nemesis
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ML_VENV := .venv-ml
ML_STAMP := $(ML_VENV)/.installed
ML_PIP := $(ML_VENV)/bin/python -m pip --disable-pip-version-check --quiet
EXTRAS_VENV := .venv-extras
EXTRAS_STAMP := $(EXTRAS_VENV)/.installed
EXTRAS_PIP := $(EXTRAS_VENV)/bin/python -m pip --disable-pip-version-check --quiet
ML_TESTS := tests/hunter/brain/adapters tests/hunter/brain/plugins/test_outside_in_flow.py \
  tests/system/test_plugins.py
# .ci/run measures coverage with this very recipe by putting another runner here.
PYTEST ?= $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help demo test test-ml test-extras docs reference screenshots check bench benchmarks peers soak lock clean

help:
	@echo "make demo    start everything against the embedded exchange; no network, no account"
	@echo "make test    run the whole default test suite"
	@echo "make test-ml the tests of the adapters for models, with their libraries, in .venv-ml"
	@echo "make test-extras  the page in a browser, the notebook, DuckDB, polars, in .venv-extras"
	@echo "make docs    the documentation as a site, in site/"
	@echo "make reference   docs/reference anew, from the code"
	@echo "make screenshots docs/images anew, of a running demo"
	@echo "make check   style, types and import contracts"
	@echo "make bench   hunter bench: what it costs and carries on this machine"
	@echo "make benchmarks  run every benchmark in tests/benchmarks"
	@echo "make peers   environments in .bench-peers for: hunter bench --peers (Python 3.11)"
	@echo "make soak    tests/soak/nemesis.py, 1,000 kills; ARGS='--kills 10000', or another:"
	@echo "             SOAK=storm|outage|quiet|fuzz|memory|kill_actors|kill_brain|supervisor_kills"
	@echo "make lock    resolve requirements/*.lock anew from pyproject.toml"
	@echo "make clean   remove the environment and the tools' caches; data/ stays"

# exec: the shell is gone, so that Ctrl-C and SIGTERM reach hunter itself and its exit code is ours.
demo: $(STAMP)
	@exec $(BIN)/hunter start --demo --set web.enabled=true

test: $(STAMP)
	@exec $(PYTEST) $(ARGS)

# The libraries weigh ten times what hunter needs: a lock and an environment of their own.
test-ml: $(ML_STAMP)
	@exec $(ML_VENV)/bin/python -m pytest $(ML_TESTS) $(ARGS)

# What needs a browser, a notebook's kernel, or others' libraries: in .venv-extras. Chromium is the
# host's own (Debian, Ubuntu: apt install chromium); without it those tests say that they skip.
test-extras: $(EXTRAS_STAMP)
	@exec $(EXTRAS_VENV)/bin/python -m pytest tests/extras $(ARGS)

docs: $(EXTRAS_STAMP)
	@NO_MKDOCS_2_WARNING=1 exec $(EXTRAS_VENV)/bin/python -m mkdocs build --quiet --strict $(ARGS)

# What the documents say of commands, keys, shapes and metrics is made of the code.
reference: $(STAMP)
	@exec $(BIN)/python docs/generate.py

screenshots: $(EXTRAS_STAMP)
	@PYTHONPATH=tests:. exec $(EXTRAS_VENV)/bin/python tests/extras/screenshots.py $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict hunter supervisor
	$(BIN)/lint-imports --no-cache

bench: $(STAMP)
	@exec $(BIN)/hunter bench $(ARGS)

# Other libraries to compare with, each in an environment of its own: their needs clash.
peers: $(STAMP)
	@for lock in requirements/peers/*.lock; do \
	  name=$$(basename "$$lock" .lock); \
	  [ ! -e ".bench-peers/$$name/.installed" ] || continue; \
	  echo "making .bench-peers/$$name"; \
	  $(BIN)/python -m venv --clear ".bench-peers/$$name" && \
	  ".bench-peers/$$name/bin/python" -m pip --disable-pip-version-check --quiet install \
	    --require-hashes --no-deps -r "$$lock" && \
	  touch ".bench-peers/$$name/.installed" || exit 1; \
	done

benchmarks: $(STAMP)
	@set -- tests/benchmarks/bench_*.py; \
	[ -e "$$1" ] || { echo "make: no tests/benchmarks/bench_*.py to run" >&2; exit 1; }; \
	for bench in "$$@"; do \
	  echo "== $$bench"; PYTHONPATH=tests:. $(BIN)/python "$$bench" $(ARGS) || exit 1; \
	done

soak: $(STAMP)
	@PYTHONPATH=tests:. exec $(BIN)/python tests/soak/$(SOAK).py $(ARGS)

# Two steps, because pip refuses to mix hashed requirements with a local folder. The build backend
# is in the lock, so that the second step asks no package index for anything.
$(STAMP): requirements/dev.lock pyproject.toml $(wildcard hunter/native/*.[ch])
	@$(check-or-make-venv)
	@echo "installing the locked dependencies into $(VENV)"
	@$(PIP) install --require-hashes --no-deps -r requirements/dev.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(ML_STAMP): requirements/ml.lock pyproject.toml | $(STAMP)
	@echo "installing the libraries for models into $(ML_VENV)"
	@$(BIN)/python -m venv --clear $(ML_VENV)
	@$(ML_PIP) install --require-hashes --no-deps -r requirements/ml.lock
	@$(ML_PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(EXTRAS_STAMP): requirements/extras.lock pyproject.toml | $(STAMP)
	@echo "installing what the page's tests and the documentation need into $(EXTRAS_VENV)"
	@$(BIN)/python -m venv --clear $(EXTRAS_VENV)
	@$(EXTRAS_PIP) install --require-hashes --no-deps -r requirements/extras.lock
	@$(EXTRAS_PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# A working environment is kept; one that is missing, broken or too old is made again.
define check-or-make-venv
is_recent='import sys; sys.exit(sys.version_info < (3, 11))'; \
if $(BIN)/python -c "$$is_recent" 2>/dev/null && $(BIN)/python -m pip --version >/dev/null 2>&1; \
then exit 0; fi; \
set -- $(or $(PYTHON),python3 python3.13 python3.12 python3.11); \
for python in "$$@"; do \
  if "$$python" -c "$$is_recent" 2>/dev/null; then found=$$python; break; fi; \
done; \
if [ -z "$$found" ]; then \
  echo "make: hunter needs Python 3.11 or newer; tried: $$*" >&2; \
  echo "make: install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; \
fi; \
if ! "$$found" -c 'import venv, ensurepip' 2>/dev/null; then \
  echo "make: $$found has no venv module (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; \
fi; \
echo "making $(VENV) with $$("$$found" --version)"; \
"$$found" -m venv --clear $(VENV)
endef

# The development lock is resolved first and constrains the others, so that the versions people
# run are the versions the tests ran. One version for all Pythons; hashes of all platforms' files.
UV_COMPILE = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
  --fork-strategy fewest --generate-hashes --no-emit-index-url --no-emit-find-links \
  --custom-compile-command "make lock"
lock: $(STAMP)
	$(PIP) install uv
	$(UV_COMPILE) --upgrade --group dev --output-file requirements/dev.lock
	$(UV_COMPILE) --upgrade --constraints requirements/dev.lock --output-file requirements/runtime.lock
	$(UV_COMPILE) --upgrade --constraints requirements/dev.lock --extra ml --group dev \
	  --group ml-tests --output-file requirements/ml.lock
	$(UV_COMPILE) --upgrade --constraints requirements/dev.lock --extra web --extra store \
	  --output-file requirements/service.lock
	echo 'setuptools>=78' | $(subst pyproject.toml,-,$(UV_COMPILE)) --upgrade \
	  --constraints requirements/dev.lock --output-file requirements/build.lock
	$(UV_COMPILE) --upgrade --constraints requirements/dev.lock --extra all --group dev \
	  --group docs --output-file requirements/extras.lock
	@touch $(STAMP)

clean:
	rm -rf $(VENV) $(ML_VENV) $(EXTRAS_VENV) .bench-peers site build dist htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -f hunter/native/_kernel*.so
	rm -rf .import_linter_cache .coverage .coverage.* coverage.xml *.egg-info
	find hunter supervisor tests -type d -name __pycache__ -prune -exec rm -rf {} +
