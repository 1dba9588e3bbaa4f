# Two commands matter: `make lab` and `make test`. Each target hands over to Python at once.

PYTHON = .venv/bin/python
NOTEBOOKS =
# The course finds its own modules, and compiles them once: without compiling a kernel starts 2 s later.
unexport PYTHONPATH PYTHONHOME PYTHONSAFEPATH PYTHONDONTWRITEBYTECODE PYTHONOPTIMIZE PYTHONWARNINGS

.PHONY: help environment setup extras lab test test-extras test-all soak refresh diagrams book down doctor bench lock

help:
	@echo 'make lab       open the course in JupyterLab (the first time: set it up)'
	@echo 'make test      run all tests: types, helpers, brokers, exercises, every notebook, a page in a browser'
	@echo 'make test-extras  run the labs of the other systems, and a browser on more pages and the book'
	@echo 'make test-all  all of these, a class, the crash matrices, and every notebook again in another order'
	@echo 'make soak      run all notebooks ten times, while kernels and brokers are killed (many hours)'
	@echo 'make down      stop the brokers; what they stored is kept'
	@echo 'make doctor    check this machine, and name what it lacks'
	@echo 'make refresh   run notebooks again and store their outputs: all, or NOTEBOOKS="a.ipynb b.ipynb"'
	@echo 'make diagrams  draw the diagrams of the notebooks again'
	@echo 'make book      make the web book, from the outputs that the notebooks store'
	@echo 'make bench     measure the brokers and the notebooks, and write the page of numbers (half an hour)'
	@echo 'make setup     set up the environment and obtain the brokers'
	@echo 'make extras    obtain the other systems too, which only some labs need'
	@echo 'make lock      bring the locks up to date with requirements.txt, requirements-extra.txt and requirements-book.txt'

environment:
	@command -v python3 >/dev/null || { echo 'The course needs Python 3.11 or newer: install python3.'; exit 1; }
	@python3 helpers/upkeep/bootstrap.py

setup: environment
	@$(PYTHON) -m helpers install

extras: setup
	@$(PYTHON) -m helpers extras

lab: environment
	@$(PYTHON) -m helpers lab

test: setup
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) tests/run.py

test-extras: extras
	$(PYTHON) tests/run.py --extras

test-all: extras
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) tests/run.py --all

soak: setup
	$(PYTHON) -m tests.soak

refresh: setup
	@$(PYTHON) -m helpers refresh $(NOTEBOOKS)

diagrams: environment
	@$(PYTHON) -m helpers.upkeep.diagrams

# An environment of its own, and each time from the beginning, so that nothing old is left in it.
BOOK = build/book
book: environment
	@.venv/bin/uv venv --quiet --allow-existing --python $(PYTHON) .venv-book
	@.venv/bin/uv pip sync --quiet --require-hashes --python .venv-book requirements-book.lock
	@rm -rf $(BOOK)
	@$(PYTHON) -m helpers.upkeep.book
	@.venv-book/bin/sphinx-build --quiet --fail-on-warning --keep-going --conf-dir helpers/upkeep/book \
		--doctree-dir $(BOOK)/doctrees $(BOOK)/source $(BOOK)/html
	@echo 'The book is made: open $(BOOK)/html/index.html in a browser.'

down doctor:
	@$(PYTHON) -c 'import helpers' 2>/dev/null || \
		{ echo "The course's Python environment (.venv) is missing or not whole: \`make setup\` makes it."; exit 1; }
	@$(PYTHON) -m helpers $@

bench: setup
	@$(PYTHON) -m tests.bench

lock: environment
	@for asked in requirements requirements-extra requirements-book; do \
		case $$asked in *-extra) same=requirements.lock ;; *) same=/dev/null ;; esac; \
		grep -v '^-' $$asked.txt | .venv/bin/uv pip compile --quiet --universal --upgrade --generate-hashes \
			--constraints $$same --python-version 3.11 --no-annotate --custom-compile-command 'make lock' \
			--output-file $$asked.lock - || exit 1; \
	done
