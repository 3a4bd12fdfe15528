# Everything runs in .venv, which the first target that needs it makes once.
# Another interpreter: make book PYTHON=python3.12

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help book check test style lab serve release demo bench bench-nonuniform bench-binary bench-dst bench-ptq bench-grading mutation clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

book: .venv/installed ## execute and build the book, and print the page to open
	@$(BIN)/python -m tools.build_book

# A thread that waits for others sleeps. By default it runs on, and takes the core from the second
# process of tests: one of them then needs 45 s of the processor instead of 3.
check test: export OMP_WAIT_POLICY = passive

check: style ## between commits: style, imports, requirements, the quick tests (some 3 minutes)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test: style ## run every check: style, imports, requirements, the book, all tests
	$(BIN)/python -m tools.build_book
	$(BIN)/python -m pytest -n 2 --dist worksteal

style: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/deptry .

lab: .venv/installed ## open JupyterLab on the exercises
	$(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/exercises

serve: book ## serve the built book on this machine (PORT=8000)
	$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

release: .venv/installed ## make exercises/ anew, and the hidden checks (COURSE_SEED=...)
	$(BIN)/python -m tools.release

demo: .venv/installed ## run the main job once: build, release, grade a notebook, quantize a network
	$(BIN)/python -m tools.demo

bench: .venv/installed ## time the kernels beside their peers; writes a file in benchmarks/results/kernels
	$(BIN)/python -m benchmarks

bench-nonuniform: .venv/installed ## time k-means and the codes of levels beside their peers; writes benchmarks/results/nonuniform.json
	$(BIN)/python -m benchmarks.nonuniform

bench-binary: .venv/installed ## time packed binary networks beside torch float32; writes a file in benchmarks/results/binary
	$(BIN)/python -m benchmarks.binary

bench-dst: .venv/installed ## time networks of states beside torch in float32 and int8; writes a file in benchmarks/results/dst
	$(BIN)/python -m benchmarks.dst

bench-ptq: .venv/installed ## time networks in whole numbers beside ONNX Runtime and torch; writes a file in benchmarks/results/ptq
	$(BIN)/python -m benchmarks.ptq

bench-grading: .venv/installed ## time quantgrader beside nbgrader, then 1,000 submissions, alone and over Dask; writes benchmarks/results/grading*.json
	$(BIN)/python -m benchmarks.grading
	$(BIN)/python -m benchmarks.grading_many

mutation: .venv/installed ## count the mistakes that the exercises' checks notice; writes book/_data/mutation.json
	$(BIN)/python -m tools.mutate

clean: ## remove what was built and installed here
	rm -rf _build node_modules .venv *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Installed once, and again only when the requirements change.
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed: make PYTHON=..." if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -c constraints.txt -e '.[course,cluster,postgres,book,test]'
	@touch $@
