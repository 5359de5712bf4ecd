# Needs Python >= 3.10 with venv, and make; everything else is installed into $(VENV).
PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?= -n auto --maxprocesses 8

# Bytecode is written even if the shell forbids it: without, torch is compiled at every start.
export PYTHONDONTWRITEBYTECODE =

BIN = $(VENV)/bin
# Modules are compiled when they are first imported: most of torch's never are.
PIP = $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-compile -c constraints.txt
SMALL = dataset=sbm dataset.scale=0.005 trainer.epochs=1
REFERENCE = results/reference

# Of 'make reddit': make reddit SEEDS=3; without it as many as 'redditgnn verify' wants.
SEEDS ?=

BENCH_ARGS ?=
DGL = .dgl
BENCH = PYTHONPATH=$(DGL)$${PYTHONPATH:+:$$PYTHONPATH} $(BIN)/python -W ignore -m scripts.bench
TABLES = $(BIN)/python -m scripts.tables

.DEFAULT_GOAL := help
.PHONY: help install demo test test-thorough test-python lint check docs chart report-picture smoke \
    reference reddit table wheel clean bench bench-communities bench-kernels bench-step bench-full \
    bench-scaling bench-layers bench-memory bench-parallel staleness \
    pipeline-study peers-study compile-kernels gpu-day gpu-pack gpu-peer dgl performance chaos

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 15

install: $(VENV)/installed  ## make $(VENV) with the project in it

demo: $(VENV)/installed  ## train GraphSAGE on a small synthetic Reddit: under a minute, no download
	$(BIN)/redditgnn train dataset=sbm dataset.scale=0.02 model=sage sampler=neighbor trainer.epochs=5

test: $(VENV)/installed-dev  ## run the tests, of costly ones a few cases
	$(BIN)/python -m pytest -m "not slow and not thorough" $(PYTEST_ARGS)

test-thorough: $(VENV)/installed-dev  ## run the cases that 'make test' leaves out (tests/tiers.py)
	$(BIN)/python -m pytest -m "thorough and not slow" $(PYTEST_ARGS)

# The contracts, one test of each kernel and the demo, in an environment of that Python's own.
test-python: $(VENV)/installed-test demo  ## what every Python has to pass: PYTHON=python3.12 VENV=DIR
	$(BIN)/python -m pytest -m every_python $(PYTEST_ARGS) $$(grep -rl --include='*.py' every_python tests)

lint: $(VENV)/installed-dev  ## check style, types, and that README.md and docs show the results
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@if test -e README.md && test -e $(REFERENCE)/runs.csv; then \
	    $(TABLES).results --check; \
	fi
	@if test -e README.md; then $(TABLES).performance --check; fi
	@if test -e README.md; then $(TABLES).samplers --check; fi
	@if test -e README.md; then $(TABLES).large_graphs --check; fi

check: lint test  ## all that a change has to pass

# Strict: a broken link, or a page that the navigation lacks, is an error.
docs: $(VENV)/installed-docs  ## build the documentation into site/, which opens without a network
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
	@echo "docs: open site/index.html"

chart: $(VENV)/installed  ## draw README.md's chart from results/bench/*.csv
	$(BIN)/python -m scripts.docs.chart

CHROMIUM ?= chromium
report-picture:  ## picture of results/report/index.html for README.md; needs Chromium
	@profile=$$(mktemp -d) && trap 'rm -rf "$$profile"' EXIT && \
	$(CHROMIUM) --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1280,820 \
	    --user-data-dir="$$profile" --screenshot=docs/images/report.png \
	    "file://$(CURDIR)/results/report/index.html"

smoke: $(VENV)/installed  ## train every experiment for one epoch on a tiny synthetic graph
	@results=$$(mktemp -d) && trap 'rm -rf "$$results"' EXIT && \
	for path in conf/experiment/*.yaml; do \
	    test -e "$$path" || continue; \
	    name=$$(basename "$$path" .yaml); echo "experiment=$$name"; parts=; \
	    if grep -q num_parts "$$path"; then parts="sampler.num_parts=4 sampler.batch_size=1"; fi; \
	    if grep -Eq 'embedding: (bgrl|dgi|grace|graphsage)' "$$path"; then parts="embedding.epochs=1"; fi; \
	    $(BIN)/redditgnn train experiment=$$name $(SMALL) $$parts results_dir="$$results" || exit 1; \
	done

# What has a target is verified; the rest, beside full batch, is swept where nothing of it is there yet.
reference: $(VENV)/installed  ## run what is missing on small graphs (hours); data_dir is REDDITGNN_DATA
	@for path in $$(ls conf/experiment/*.yaml | grep -vE '/(flickr|ogbn|ppi|reddit|yelp)'); do \
	    name=$$(basename "$$path" .yaml); \
	    if grep -q '^target:' "$$path"; then \
	        $(BIN)/redditgnn verify experiment=$$name results_dir=$(REFERENCE); \
	        case $$? in 0|3|4) ;; *) exit 1;; esac; \
	    elif ! grep -q ",$$name," $(REFERENCE)/runs.csv; then \
	        $(BIN)/redditgnn train -m experiment=$$name seed=0,1,2,3,4,5,6,7,8,9 results_dir=$(REFERENCE) || exit 1; \
	    fi; \
	done

# On a workstation with the files of both, in data_dir (REDDITGNN_DATA); goes on where it stopped.
reddit: $(VENV)/installed  ## verify the recipes for Reddit and Reddit2, cheapest first (hours a seed)
	REDDITGNN=$(BIN)/redditgnn scripts/reddit.sh $(if $(SEEDS),seeds=$(SEEDS))

chaos: $(VENV)/installed  ## kill a sweep, and processes of a run, 20 times each: nothing may change (minutes)
	$(BIN)/python -m scripts.chaos.sweep $(CHAOS_ARGS)
	$(BIN)/python -m scripts.chaos.parallel $(CHAOS_ARGS_PARALLEL)

table: $(VENV)/installed  ## put results/reference into README.md, and the matrix of samplers into docs
	$(TABLES).results
	$(TABLES).samplers
	$(TABLES).large_graphs

# Options of the programs: make bench-kernels BENCH_ARGS='--scale 0.05 --only "gat 8x8"'
bench: $(VENV)/installed  ## models x samplers, on Reddit where data_dir has it: seconds, memory, score
	$(BENCH).matrix $(BENCH_ARGS)

bench-communities: $(VENV)/installed-dev  ## community detection beside igraph and networkit
	$(BENCH).communities $(BENCH_ARGS)

bench-kernels: $(VENV)/installed  ## layers beside PyG's and DGL's (2 cores: an hour at the default scale)
	$(BENCH).kernels $(BENCH_ARGS)

bench-step: $(VENV)/installed  ## training steps, evaluation, samplers beside PyG's
	$(BENCH).step $(BENCH_ARGS)

bench-full: $(VENV)/installed  ## training at Reddit's full size beside PyG's (2 cores: an hour)
	$(BENCH).full_size $(BENCH_ARGS)

bench-scaling: $(VENV)/installed  ## training against edges, up to 4 times Reddit: CSV, plot, slopes; resumes
	$(BENCH).growth $(BENCH_ARGS)

bench-layers: $(VENV)/installed  ## layers against edges: CSV and plot
	$(BENCH).scaling $(BENCH_ARGS)

bench-memory: $(VENV)/installed  ## memory of a training step against the size of the graph: CSV and plot
	$(BENCH).memory $(BENCH_ARGS)

bench-parallel: $(VENV)/installed  ## one process beside several that share a run (8 minutes on idle cores)
	$(BENCH).parallel $(BENCH_ARGS)

staleness: $(VENV)/installed  ## age and error of histories on PubMed, METIS and random parts: CSV and plot
	$(BENCH).staleness experiment=pubmed_gcn_gas model.num_layers=4 $(BENCH_ARGS)

# The next call resumes: runs that are there are not repeated. Fewer seeds: STUDY_SEEDS=0,1,2
STUDY_SEEDS ?= 0,1,2,3,4,5,6,7,8,9
pipeline-study: $(VENV)/installed  ## what chunks cost GAT on PubMed, and the cure: runs, table and plot
	$(BIN)/redditgnn train -m sweep=chunks experiment=pubmed_gat device=cpu seed=$(STUDY_SEEDS) \
	    results_dir=results/pipeline
	$(BIN)/redditgnn train -m sweep=stages experiment=pubmed_gat device=cpu results_dir=results/pipeline/stages
	$(BENCH).pipeline_study $(BENCH_ARGS)

peers-study: $(VENV)/installed  ## train GAT on PubMed here, in PyG and in DGL ('make dgl' puts it there)
	$(BENCH).peers_study $(BENCH_ARGS)

# The next call resumes after the last completed stage. A rehearsal: docs/gpu.md.
DEVICE ?= cuda
SCALE ?= 1
GPU_DAY_S ?= 540
gpu-day: $(VENV)/installed-test  ## tests and measurements of a GPU in stages, for at most GPU_DAY_S seconds
	$(BENCH).gpu_day --device $(DEVICE) --scale $(SCALE) --seconds $(GPU_DAY_S) $(BENCH_ARGS)

# Several CPU minutes. The tests do it for one GPU, the slow ones for all.
compile-kernels: $(VENV)/installed  ## compile the Triton kernels for sm_80 to sm_90, without a GPU
	$(BIN)/python scripts/compile_kernels.py

# What a machine with a GPU, torch, PyG and Numba but without a package registry still lacks, for its Python.
PACK = .gpu
GPU_PYTHON ?= 3.12
GPU_TORCH ?= 2.11.0
PLATFORMS = $(patsubst %,--platform manylinux_%_x86_64,2_28 2_27 2_17) --platform manylinux2014_x86_64
PACKED = hydra-core omegaconf antlr4-python3-runtime beartype
gpu-pack: $(VENV)/installed  ## wheels and METIS partitions for scripts/bench/gpu_day.sh (minutes, 8 GiB)
	rm -rf $(PACK)/*.whl $(PACK)/site
	$(BIN)/python -m pip wheel --quiet -c constraints.txt --no-deps -w $(PACK) $(PACKED)
	$(BIN)/python -m pip download --quiet -c constraints.txt --no-deps --only-binary=:all: \
	    --python-version $(GPU_PYTHON) $(PLATFORMS) -d $(PACK) pymetis
	$(BENCH).prepare --pack --scale $(SCALE) $(BENCH_ARGS)
	@du -sh $(PACK)

gpu-peer: $(VENV)/installed  ## what PyG's NeighborLoader needs there, for torch GPU_TORCH (half an hour)
	PYTHON=$(BIN)/python scripts/bench/pack_peer.sh $(GPU_TORCH) $(GPU_PYTHON) $(PACK)/peers
	@du -sh $(PACK)

performance: $(VENV)/installed  ## put results/bench/*.csv into docs/{speed,performance,parallel}.md
	$(TABLES).performance

# Without its dependencies: all that its layers need is here, and its own torch would be another one.
dgl: $(VENV)/installed  ## put DGL where the benchmarks find it, beside PyG
	$(PIP) --no-deps --target $(DGL) dgl==2.1.0

wheel: $(VENV)/installed  ## build dist/*.whl and see that it carries its configuration
	$(PIP) build
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m zipfile -l dist/redditgnn-*.whl | grep -q redditgnn/conf/train.yaml
	$(BIN)/python -m zipfile -l dist/redditgnn-*.whl | grep -q redditgnn/report/page.html.jinja

clean:  ## remove environment, caches and build outputs; data and results stay
	rm -rf $(VENV) $(DGL) dist build site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Editable: the commands run the sources as they are, and need no new installation after a change.
$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("redditgnn needs Python >= 3.10, $(PYTHON) is older" \
	    if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) -e .
	@touch $@

$(VENV)/installed-%: $(VENV)/installed
	$(PIP) -e '.[$*]'
	@touch $@
