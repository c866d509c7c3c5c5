# Everything runs from here with only Python 3.11+ and make; paths are relative, so that the checkout may lie anywhere.
PYTHON ?= python3
PY := .venv/bin/python
ARGS ?=

.DEFAULT_GOAL := help

##@ Try it

.PHONY: demo
demo: install  ## run an example pipeline on a stack of its own, show it, stop everything
	@exec $(PY) manage.py demo $(ARGS)

.PHONY: run
run: install  ## start the whole stack and keep it up until Ctrl-C (PORT, HOST, VAR_DIR)
	@exec $(PY) manage.py stack $(ARGS)

##@ Work on it

.PHONY: install
install:  ## make .venv with what the service needs
	@$(PYTHON) deploy/virtualenv.py requirements.txt

.PHONY: install-dev
install-dev:  ## make .venv with what tests and checks need as well
	@$(PYTHON) deploy/virtualenv.py requirements-dev.txt

.PHONY: test
test: install-dev  ## check, then all tests, on PostgreSQL and Redis of their own (ARGS="-k name")
	@$(PY) manage.py check --fail-level WARNING
	@$(PY) manage.py makemigrations --check --dry-run
	@$(PY) -m pytest -n auto --dist loadfile $(ARGS)

.PHONY: lint
lint: install-dev  ## formatting, lint, types, import contracts, pins that fit together
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy .
	@$(PY) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"
	@$(PY) -m djlint --check --lint --quiet templates
	@$(PY) -m pip check

.PHONY: format
format: install-dev  ## format the code and mend what can be mended
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .
	@$(PY) -m djlint --reformat --quiet templates

.PHONY: types
types: install-dev  ## types alone
	@$(PY) -m mypy .

.PHONY: bench
bench: install-dev  ## measure everything beside its baselines, a quarter of an hour (ARGS="--only claim --rounds 9")
	@$(PY) -m benchmarks $(ARGS)

.PHONY: bench-quick
bench-quick: install-dev  ## the same at smaller sizes, in under two minutes
	@$(PY) -m benchmarks --quick $(ARGS)

.PHONY: bench-growth
bench-growth: install-dev  ## how costs grow with jobs, clients, runners and history, and what PostgreSQL's settings do
	@$(PY) -m benchmarks --growth $(ARGS)

.PHONY: soak
soak: install-dev  ## 200,000 jobs one after another: does anything grow or slow down? (ARGS="--jobs 50000")
	@$(PY) -m benchmarks.soak $(ARGS)

.PHONY: chaos
chaos: install-dev  ## kill, freeze and cut off everything under load, some three minutes (SEED=n to repeat a run)
	@$(PY) -m tests.chaos $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: breaks
breaks: install-dev  ## break the service in some forty places and see that the tests notice, some twenty minutes (ARGS="--only secrets")
	@$(PY) -m tests.breaks $(ARGS)

##@ Single processes, beside a stack or on servers named by DATABASE_URL and REDIS_URL

.PHONY: migrate
migrate: install  ## bring the database up to date
	@$(PY) manage.py migrate $(ARGS)

.PHONY: worker
worker: install  ## one more control worker
	@exec $(PY) -m celery -A taskpipeline worker -Q control --pool=threads -c 4 $(ARGS)

.PHONY: beat
beat: install  ## one more beat
	@exec $(PY) -m celery -A taskpipeline beat $(ARGS)

.PHONY: runner
runner: install  ## a server runner's process (NAME=its-name)
	@exec $(PY) manage.py run_runner $(NAME) $(ARGS)

##@ The rest

.PHONY: clean
clean:  ## remove caches; .venv and var stay
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help:  ## this list
	@awk 'BEGIN { FS = ":.*?## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
