# make lab and make test are all that most people need; make help lists the rest.
# ARGS goes to the tool behind a target:  make test ARGS="-k solvers"   make lab ARGS=--no-browser

# On shared cores, threads that wait by spinning cost PyTorch a factor of ten and more.
export OMP_WAIT_POLICY := passive

# Jupyter, Chromium and pip write into the user's home. Where there is none, or one that is closed to
# the user (as in many containers), this folder stands in for it.
ifneq ($(shell test -d "$$HOME" -a -w "$$HOME" && echo fine),fine)
    export HOME := $(CURDIR)/.home
    $(shell mkdir -p .home)
endif

VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready
COLAB := .venv-colab
FIRST := $(firstword $(sort $(wildcard notebooks/*.ipynb)))
# Jupyter refuses to start as root (in a container, say) unless told so.
ROOT_OK := $(if $(filter 0,$(shell id -u)),--allow-root)

.DEFAULT_GOAL := help
.PHONY: help lab playground test test-package test-frontends test-colab fuzz mutants settled notebooks claims figures export site student
.PHONY: bench bench-sliders bench-draw lint format address clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

lab: $(READY)  ## set up, then open JupyterLab on the first notebook
	JUPYTER_CONFIG_PATH=tools/jupyter $(BIN)/jupyter lab $(ROOT_OK) --LabApp.default_url=/lab/tree/$(FIRST) $(ARGS)

playground: $(READY)  ## set up, then open the playground as a page without code (Voila)
	cd notebooks && ../$(BIN)/voila playground.ipynb $(ARGS)

test: $(READY) $(VENV)/.tools  ## set up, then run every test: package, notebooks, browser
	$(BIN)/pytest $(ARGS)

test-package: $(READY)  ## the tests of the package alone, which run on every system
	$(BIN)/pytest @tests/package.txt $(ARGS)

test-frontends: $(READY) $(COLAB)/.ready  ## drag every slider in Notebook 7, Voila and with Colab's versions
	for front in notebook voila classic:$(COLAB)/bin/python; do \
	    FRONT_END=$$front $(BIN)/pytest tests/test_browser.py tests/test_draw.py $(ARGS) || exit 1; done

test-colab: $(READY) $(COLAB)/.ready  ## run a notebook from its first cell on with Colab's versions; ARGS=NAMES
	$(BIN)/python -m tools.colab $(abspath $(COLAB)/bin/python) $(or $(ARGS),01_regularized_latent_ebm); \
	    done=$$?; $(COLAB)/bin/python -m pip install --quiet --requirement tests/frontends/colab.txt && exit $$done

fuzz: $(READY)  ## look for untrue certificates with fresh random problems for an hour; ARGS=seconds
	$(BIN)/python tests/test_fuzz.py $(or $(ARGS),3600)

mutants: $(READY)  ## change the core in every small way; which changes does no test notice? ARGS=penalties
	$(BIN)/python -m pip install --quiet cosmic-ray
	$(BIN)/python -m tools.mutants $(ARGS)

settled: $(READY)  ## train four times as long: does a verdict change? one: make settled ARGS=NAME
	$(BIN)/python -m tools.settled $(ARGS)

notebooks: $(READY)  ## run the notebooks' text and rewrite their .ipynb; one: make notebooks ARGS=NAME
	$(BIN)/python -m tools.notebooks $(ARGS)

claims: $(READY)  ## rewrite notebooks/CLAIMS.md from the executed notebooks
	$(BIN)/python -m tools.claims $(ARGS)

figures: $(READY)  ## redraw the pictures in images/
	$(BIN)/python images/draw.py && $(BIN)/python images/animate.py && $(BIN)/python images/fuzzy_balls.py

export: $(READY)  ## write every slider panel as a page without kernel, into exports/
	$(BIN)/python -m tools.panels $(ARGS)

site: $(READY)  ## build the site from the executed notebooks, into site/_build/html
	$(BIN)/python -m tools.site $(ARGS)

student: $(READY)  ## write the notebooks without their solutions, into student/
	$(BIN)/python -m tools.student $(ARGS)

bench: $(READY)  ## time the sparse coders and their peers, into benchmarks/results.json; one: ARGS=dense
	$(BIN)/python -m pip install --quiet --no-build-isolation --constraint requirements.txt --editable ".[benchmarks]"
	for one in $(or $(ARGS),costs growth dense convolutional dictionary lista streaming); do \
	    $(BIN)/python -m benchmarks.$$one || exit 1; done

bench-sliders: $(READY)  ## time the sliders, key press to pixels, into benchmarks/sliders.json
	$(BIN)/python benchmarks/sliders.py $(ARGS)

bench-draw: $(READY)  ## time the page in which one draws a digit, into benchmarks/draw.json
	$(BIN)/python benchmarks/draw.py $(ARGS)

lint: $(READY)  ## check style
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: $(READY)  ## mend style
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

address: $(READY)  ## make address TO=owner/name: this repository's address, everywhere
	$(BIN)/python -m tools.address $(TO)

clean:  ## remove the virtual environments
	rm -rf $(VENV) $(COLAB)

# The whole set-up; done again only when one of these two files changes. Matplotlib lists the
# system's fonts at its first import and says so: here, so that no notebook's output does.
$(READY): requirements.txt pyproject.toml
	sh tools/venv.sh $(VENV)
	$(BIN)/python -m pip install --requirement requirements.txt
	$(BIN)/python -m pip install --no-deps --no-build-isolation --editable .
	$(BIN)/python -c "import matplotlib.font_manager"
	touch $@

# What the tests of the repository ask beside that.
$(VENV)/.tools: tests/tools.txt $(READY)
	$(BIN)/python -m pip install --quiet --requirement $<
	touch $@

# What Colab has, for test-frontends.
$(COLAB)/.ready: tests/frontends/colab.txt
	sh tools/venv.sh $(COLAB)
	$(COLAB)/bin/python -m pip install --requirement $<
	$(COLAB)/bin/python -c "import matplotlib.font_manager"
	touch $@
