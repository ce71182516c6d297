# make train and make test need nothing but Python 3.11 to 3.13 and this file: they
# make .venv and install the exact versions of requirements.lock when it is missing or
# older than that lock. Options for iris go in ARGS: make train ARGS="env.game=Pong".

SHELL := bash
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS :=
EXTRAS := --extra notebooks --extra book --extra published --extra export \
	--extra sweep --extra dev

# Where to look for Python; `make train PYTHON=/path/to/python3.12` decides it.
PYTHON :=
PYTHONS := $(if $(PYTHON),$(PYTHON),python3 python3.12 python3.13 python3.11 python)
IN_RANGE := import sys, venv, ensurepip; \
	sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

.PHONY: help train test torture chromium gpu-check notebooks book lab lock clean

help:
	@echo "make train  learn a real Atari game on this machine (preset=tutorial)"
	@echo "            make train ARGS=\"env.game=Breakout\" changes any setting"
	@echo "make test   ruff, mypy and all tests"
	@echo "make torture  kills, damaged files, odd input by the hundred: half an hour"
	@echo "make gpu-check  on a CUDA GPU: the golden numbers, CUDA graphs, speed"
	@echo "make lab    JupyterLab on the notebooks"
	@echo "make notebooks  run all notebooks again and keep their outputs"
	@echo "make book   the site: the player and the notebooks' pages, in build/book"
	@echo "make lock   bring requirements.lock in line with pyproject.toml"
	@echo "            make lock ARGS=--upgrade pins newer versions"
	@echo "make clean  remove .venv and caches; runs in outputs/ stay"

train: $(READY)
	@$(BIN)/iris train preset=tutorial $(ARGS)

test: export OMP_NUM_THREADS = 1
test: $(READY) chromium
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest -n 2 -q --ignore=tests/browser $(ARGS)
	$(BIN)/pytest -q -rs tests/browser
	IRIS_PRESET=smoke TQDM_DISABLE=1 $(BIN)/pytest -n 2 -q --dist loadscope --nbval-lax \
		--nbval-current-env --nbval-cell-timeout 120 --timeout 600 notebooks

# The tests of tests/torture in full; the figures go to results/torture.json.
torture: export OMP_NUM_THREADS = 1
torture: $(READY)
	$(BIN)/pytest -q tests/torture --full $(ARGS)

# The widgets are tested in a real browser, which Debian has; elsewhere, and where
# nobody may install it, those tests are skipped.
chromium:
	@command -v chromium google-chrome > /dev/null && exit; \
	root=; [ "$$(id -u)" = 0 ] || root="sudo -n"; \
	if command -v apt-get > /dev/null && $$root true 2> /dev/null; then \
		echo "Installing chromium for the browser tests"; \
		$$root apt-get update -qq && $$root env DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends chromium > /dev/null; \
	fi; \
	command -v chromium > /dev/null || \
		echo "NO CHROMIUM on the PATH: THE BROWSER TESTS WILL BE SKIPPED" >&2

# On a machine with a CUDA GPU: proves its numbers, runs everything once, and measures.
# results/benchmarks then holds tutorial-cuda and paper-cuda, as JSON and as pictures.
gpu-check: $(READY)
	@$(BIN)/python -c 'import sys, torch; torch.cuda.is_available() or \
		sys.exit(f"PyTorch {torch.__version__} sees no CUDA GPU here.")'
	IRIS_TEST_DEVICE=cuda $(BIN)/pytest -q tests/models/test_golden_models.py \
		tests/imagination/test_graphed_env.py
	$(BIN)/iris train preset=smoke device=cuda outputs=build/gpu-check
	$(BIN)/iris bench preset=tutorial device=cuda $(ARGS)
	$(BIN)/iris bench preset=paper device=cuda $(ARGS)

# Runs the lessons at the scale that readers see, and keeps their outputs. One:
# make notebooks ARGS=02_frames_to_tokens.ipynb
notebooks: export OMP_NUM_THREADS = 1
notebooks: $(READY)
	@cd notebooks && TQDM_DISABLE=1 ../$(BIN)/python -m lessons.build.execute $(ARGS)

book: $(READY)
	@rm -rf build/book
	@cd notebooks && ../$(BIN)/python -m lessons.build.book ../build/book
	@echo "To see it: $(BIN)/python -m http.server -d build/book"

lab: $(READY)
	@$(BIN)/jupyter lab --notebook-dir=notebooks $(ARGS)

# The stamp comes last, so an interrupted installation is taken up again.
$(READY): requirements.lock pyproject.toml
	@$(BIN)/python -c 'import pip; $(IN_RANGE)' 2>/dev/null || { \
		found=; \
		for python in $(PYTHONS); do \
			if "$$python" -c '$(IN_RANGE)' 2>/dev/null; then found="$$python"; break; fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo "No Python 3.11, 3.12 or 3.13 with venv found (tried: $(PYTHONS))." >&2; \
			echo "Install one (Debian, Ubuntu: apt install python3-venv), or say where" >&2; \
			echo "it is: make train PYTHON=/path/to/python3.12" >&2; \
			exit 2; \
		fi; \
		echo "Making $(VENV) with $$("$$found" --version)"; \
		"$$found" -m venv --clear $(VENV); \
	}
	@echo "Installing the pinned packages; the first time takes some minutes"
	@set -o pipefail; PYTHONUNBUFFERED=1 $(BIN)/python -m pip install \
		--disable-pip-version-check --progress-bar off -r requirements.lock \
		| awk -v line="$$([ -t 2 ] && echo '\r\033[K  %.72s' || echo '%.72s\n')" \
			'/^(Collecting|  Downloading|Installing)/ { printf line, $$0; fflush() }' \
		&& echo
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps \
		--no-build-isolation --editable .
	@touch $@

# torch brings its own CUDA libraries where its build wants them, so they are not pinned:
# the same lock then serves machines with and without a GPU.
lock: $(READY)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 $(EXTRAS) \
		--fork-strategy fewest $(ARGS) --no-annotate --custom-compile-command "make lock" \
		--output-file requirements.lock pyproject.toml > /dev/null
	grep -v -E '^(nvidia-|cuda-|triton)' requirements.lock > requirements.lock.part
	mv requirements.lock.part requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
