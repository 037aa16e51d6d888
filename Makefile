# Everything runs in .venv, which the first target that needs it makes. Paths are relative, so the
# folder may have spaces in its name.

PYTHON ?= python3
PY := .venv/bin/python
INSTALLED := .venv/.installed
# Small nets gain nothing from threads, and two test processes would fight for the cores.
TEST_ENVIRONMENT := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: help install flatness test test-all lint format benchmarks clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

# torchattacks pins requests~=2.25.1 of 2021, and never imports it: it is installed without its
# dependencies, here and below.
install: $(INSTALLED) ## make .venv and install the toolkit with its pinned dependencies

$(INSTALLED): pyproject.toml constraints.txt
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@echo "installing into .venv (a few minutes the first time) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps torchattacks
	@touch $(INSTALLED)

flatness: $(INSTALLED) ## the main job on the embedded default: flatness around genuine and adversarial digits
	@$(PY) -m landscape.flatness --launch processes --workers 2

test: $(INSTALLED) ## the everyday suite (under 10 minutes on 2 cores)
	@$(TEST_ENVIRONMENT) $(PY) -m pytest -n 2 --dist loadgroup -q

test-all: $(INSTALLED) ## the suite with its slow tests
	@$(TEST_ENVIRONMENT) $(PY) -m pytest -n 2 --dist loadgroup -q -m ''

lint: $(INSTALLED) ## ruff and mypy
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

format: $(INSTALLED) ## let ruff rewrite what it can
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

benchmarks: .venv-benchmarks/.installed ## side by side with the peers, in an environment of their own
	@OMP_NUM_THREADS=2 .venv-benchmarks/bin/python -m benchmarks

# AutoAttack's authors have no package: one revision of their repository serves.
AUTOATTACK := "autoattack @ https://github.com/fra31/auto-attack/archive/a39220048b3c9f2cca9a4d3a54604793c68eca7e.zip"

# The peers are installed for the benchmark alone.
.venv-benchmarks/.installed: pyproject.toml constraints.txt benchmarks/requirements.txt
	@test -x .venv-benchmarks/bin/python || $(PYTHON) -m venv .venv-benchmarks
	@echo "installing the toolkit and its peers into .venv-benchmarks ..."
	@.venv-benchmarks/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . -r benchmarks/requirements.txt
	@.venv-benchmarks/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps torchattacks adv_lib==0.2.8 \
		pythae==0.1.2 overcomplete==0.3.0 dictionary_learning==0.1.0
	@.venv-benchmarks/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $(AUTOATTACK) \
		|| echo "the authors' AutoAttack cannot be fetched: its benchmark will list it as not installed"
	@touch $@

clean: ## remove what tests and linters leave (not .venv, not runs)
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
