# Every target makes the virtual environment first if it is missing or older than tools/lock.txt.
#
#   make run     a study of codecs worth taking home, on the embedded objects, a few minutes
#   make dpcc    the quick start of D-PCC, as published
#   make test    all tests but the slow ones
#   make lint    lint, format and types
#   make bench   the benchmarks
#   make ui      all studies in MLflow's pages, on this machine only; `study ui NAME` for one
#   make lock    the versions and hashes that are installed, anew from pyproject.toml
#   make clean   removes the virtual environment and the caches; studies and data stay

PYTHON := .venv/bin/python
INSTALLED := .venv/installed

.PHONY: run dpcc test lint lock bench ui clean moved

run: $(INSTALLED)
	@.venv/bin/study run voxel

dpcc: $(INSTALLED)
	@.venv/bin/study run

ui: $(INSTALLED)
	@.venv/bin/study ui

test: $(INSTALLED)
	@$(PYTHON) -m pytest -n 2 --dist loadfile

lint: $(INSTALLED)
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy

lock: $(INSTALLED)
	@bash tools/lock.sh

bench: $(INSTALLED)
	@$(PYTHON) -m benchmarks

clean:
	rm -rf .venv build .pytest_cache .ruff_cache .mypy_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml tools/lock.txt
	@bash tools/install.sh

# A virtual environment that was made in another folder runs that folder's code.
ifneq ($(shell cat $(INSTALLED) 2>/dev/null),$(CURDIR))
$(INSTALLED): moved
endif
