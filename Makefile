# Everything that a fresh machine needs is set up by the first target that is called.
# Needs: Python 3.11 or newer as `python3` (or PYTHON=…), make, and about 4 GB of disk; 8 GB on Linux where
# PyTorch comes from the package index, with libraries for CUDA.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-all browser check format setup benchmark clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "crosstrain needs Python 3.11 or newer, this is %d.%d; call make PYTHON=python3.12" % v[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[all]' --group dev
	@touch $@

demo: $(STAMP)  ## lenet5 and resnet20 on real handwritten digits, on three frameworks
	$(BIN)/crosstrain compare lenet5,resnet20 --data digits --sizes 32 --engines torch,tensorflow,jax \
		--epochs 10 --out crosstrain-runs/demo

test: $(STAMP) browser  ## every behaviour, on the three frameworks, Keras's engines and one foreign environment
	$(BIN)/python -m pytest -n 2 -m 'not slow'

test-all: $(STAMP) browser  ## what is rare and slow too: an environment for every framework, several GB
	$(BIN)/python -m pytest -n 2

browser:  ## Chromium, in which the tests open the report; without it they skip
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null && exit; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing chromium for the report's tests"; \
		(apt-get update && apt-get install -y --no-install-recommends chromium fonts-liberation) >/dev/null && exit; \
	fi; \
	echo "There is no chromium: tests that open the report in a browser are skipped (apt install chromium)."

check: $(STAMP)  ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: $(STAMP)  ## crosstrain's step against hand-written loops and against keras.Model.fit
	$(BIN)/python benchmarks/native.py

clean:
	rm -rf $(VENV) crosstrain-runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
