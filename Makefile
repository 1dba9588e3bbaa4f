# Two commands matter: `make lab` and `make test`. Each target hands over to Python at once.
.POSIX:
PYTHON = .venv/bin/python
UV = uv==0.13.9

setup:
	@python3 helpers/bootstrap.py

# Works out requirements.lock afresh from requirements.txt, for Python 3.11 and newer on Linux and macOS.
lock: setup
	@$(PYTHON) -m pip install --quiet --upgrade --target .venv/uv $(UV)
	@grep -v '^-' requirements.txt | .venv/uv/bin/uv pip compile --quiet --universal --upgrade \
		--python-version 3.11 --no-annotate --custom-compile-command 'make lock' \
		--output-file requirements.lock -
