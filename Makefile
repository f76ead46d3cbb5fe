PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# An editable install with its extras, at the versions that CI pins.
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: setup check check-workflows format test coverage gate bench self-test false-alarms cross-check gpu equal-arms-study growth-study recognition-study store-study gate-study gate-simulation compare-study training-study floor cluster notebook dist oldest clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable '.[dev,excel,fast,parquet,ray]'
	touch $@

check: setup check-workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Nothing is fetched: the schemas come with check-jsonschema.
check-workflows: setup
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.citation-file-format CITATION.cff
	$(BIN)/zizmor --quiet --offline --strict-collection --persona=pedantic .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Three processes, since some tests wait. Compiled modules are kept, also where the environment says
# not to: each run would compile all. Memory that large tensors leave is used again, and not given
# back to the system and taken anew each time.
test: setup
	PYTHONDONTWRITEBYTECODE= MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296 \
		$(BIN)/python -m pytest --processes 3

# The same with every branch followed, which takes half as long again.
coverage: setup
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --processes 3
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# What has no noise, against the figures that are committed.
gate: setup
	$(BIN)/supcr-bench gate ci --baseline results/baselines/ci.json

bench: setup
	$(BIN)/supcr-bench run default

# Longer studies of the verifier, of some minutes each.
self-test: setup
	$(BIN)/supcr-bench verify --self-test

false-alarms: setup
	$(BIN)/python -m tests.studies.false_alarms

# The harness's times beside those of torch.utils.benchmark and pytest-benchmark, some minutes.
cross-check: setup
	$(BIN)/pytest tests/studies/cross_check.py --benchmark-quiet

# On a machine with an accelerator: the tests that need one, and the suite `gpu`, some minutes.
gpu: setup
	$(BIN)/python -m pytest -m gpu
	$(BIN)/supcr-bench run gpu

# Identical arms, of which one goes on alone, are timed alike; twelve minutes.
equal-arms-study: setup
	$(BIN)/python -m tests.studies.equal_arms

# Laws, predictions, claims and recommendations in 600 simulations whose truth is known, and each
# sentence on 1,000 simulated runs and pairs of runs, minutes.
growth-study: setup
	SUPCR_BENCH_SWEEPS=600 $(BIN)/python -m pytest tests/analysis -k simulated
	SUPCR_BENCH_RUNS=1000 $(BIN)/python -m pytest tests/render/test_sentences_hold.py \
		tests/render/test_compared_sentences_hold.py

# How often recognition is right about synthetic losses: each departure, and 300 pairs; some minutes.
recognition-study: setup
	$(BIN)/python -m tests.studies.recognition

# The store under 200 random sequences of kills, full disks, changed and damaged files; half an hour.
store-study: setup
	$(BIN)/python -m tests.studies.store_under_fire 200

# How often the gate cries wolf and what it misses, on this machine; two hours, and nothing else on
# it. Compiled modules are kept, as on other machines.
gate-study: setup
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m tests.studies.gate_study

# The gate's rule on simulated times whose truth is known, a minute or two.
gate-simulation: setup
	$(BIN)/python -m tests.studies.gate_simulation 1000 results/gate-study/simulation.md

# Pairs of runs of the same code, which `compare` must find alike; 1.8 hours (`--pairs 1`: ten minutes).
compare-study: setup
	$(BIN)/python -m tests.studies.compare_pairs

# Whether the loss that is chosen changes what an encoder learns on real data; seven minutes.
training-study: setup
	$(INSTALL) --editable '.[fast,study]'
	$(BIN)/python -m tests.studies.training

# What is beyond the note beside the note and beside the floor, some minutes.
floor: setup
	$(BIN)/python -m tests.studies.floor

# The suite `quick` on a Ray cluster of three simulated machines, one of them killed, some minutes.
cluster: setup
	$(BIN)/python -m tests.studies.cluster

# Runs the cells of docs/first-steps.ipynb and stores what they show; a test does the first.
notebook: setup
	$(BIN)/python -m tests.docs.notebook

# Wheel and sdist in dist/, checked as for an upload; tests/test_packaging.py checks what they hold.
dist: setup
	rm -rf dist build
	$(INSTALL) 'twine>=6.1'
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*
	ls -l dist

# A part of the tests with the oldest versions that pyproject.toml allows, in an environment of its own.
OLDEST := $(VENV)-oldest
OLDEST_TESTS := tests/values tests/reference tests/commands/test_usage_errors.py tests/commands/test_start.py \
	tests/commands/test_report.py tests/commands/test_recommend.py tests/implementations/test_published_output.py \
	tests/implementations/test_tiled.py tests/store/test_run.py tests/analysis/test_compare.py
oldest:
	$(PYTHON) -m venv $(OLDEST)
	sed -n 's/.*"\([a-z-][a-z-]*\)>=\([0-9.]*\)".*/\1==\2/p' pyproject.toml | sed '/^ray=/d' > $(OLDEST)/versions.txt
	$(OLDEST)/bin/python -m pip install --quiet --constraint $(OLDEST)/versions.txt \
		--editable '.[excel,fast,parquet]' pytest pytest-xdist coverage build check-jsonschema pyyaml
	$(OLDEST)/bin/python -m pytest -W default $(OLDEST_TESTS)

clean:
	rm -rf $(VENV) $(OLDEST) build dist *.egg-info .coverage* .mypy_cache .pytest_cache .ruff_cache
