# Everything a developer, an operator or CI does here. Only python3 (3.11+), make and a package index are needed.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check lint types contracts unit browser format install install-test system-packages pins translations clean

run: install ## Install what is missing, migrate the database and start on http://127.0.0.1:8002
	@$(BIN)/ai-secretary serve

install:
	@$(PYTHON) scripts/bootstrap.py run

install-test: system-packages
	@$(PYTHON) scripts/bootstrap.py test

system-packages:
	@sh scripts/system-packages.sh test

test: install-test check unit ## Everything that CI runs

check: lint types contracts translations

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/python scripts/check_types.py

contracts:
	$(BIN)/python scripts/reference.py --check
	$(BIN)/lint-imports --no-cache
	$(BIN)/python scripts/check_house_rules.py

translations:
	$(BIN)/python scripts/check_translations.py

unit:
	$(BIN)/pytest -q

browser: ## Only the tests in a real browser
	$(BIN)/pytest -q -m browser

format:
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pins: ## Resolve the dependencies again into requirements/*.txt
	$(BIN)/python scripts/pin.py

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache test-results
