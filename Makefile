# Everything a developer types. `make help` lists it; each target does the set-up it needs.
#   make demo PYTHON=python3.12       choose the interpreter
#   make demo TORCH_INDEX_URL=...     choose the build of torch (CPU, or one of the CUDA versions)

RUN := .venv/bin/python
export PYTHON TORCH_INDEX_URL

.PHONY: help setup lint test test-all test-official demo docs clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup:  ## Create .venv with everything pinned (does nothing when it is up to date)
	@tools/setup_env.sh

lint: setup  ## Check style and spelling
	$(RUN) -m ruff check .
	$(RUN) -m codespell_lib

test: setup  ## Run the tests that need neither a GPU nor much time
	$(RUN) -m pytest -n 2 --dist worksteal -m 'not slow'

test-all: setup  ## Run every test, the slow ones included
	$(RUN) -m pytest -n 2 --dist worksteal

test-official:  ## Run the same tests as `test` on the official mmdet 3.3.0, mmcv 2.1.0, mmengine 0.10.7
	@tools/setup_env.sh official
	.venv-official/bin/python -m pytest -n 2 --dist worksteal -m 'not slow'

demo: setup  ## Train MEGA and a control on rendered videos, link detections in a real one, draw them
	$(RUN) tools/demo/people_demo.py --out demo_output/people
	$(RUN) tools/demo/toy_demo.py

docs: setup  ## Build the documentation site in build/docs; a broken link is an error
	$(RUN) -m sphinx -q -W --keep-going -j 2 -c docs . build/docs

clean:  ## Remove the environments and everything that was generated
	rm -rf .venv .venv-official build dist demo_output work_dirs .pytest_cache .ruff_cache .dist_test
	rm -rf mmvod_plugins/.mim *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
