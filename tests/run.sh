#!/usr/bin/env bash
# Set everything up and run every check: format, lint, types, import contracts, tests. CI runs this and nothing else.
# PROFKIT_VENV names the virtual environment (default: .venv in the checkout); more arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source examples/setup.sh test

ruff format --check profkit tests
ruff check profkit tests
mypy
lint-imports --no-cache
# The C++ side first, once: every process of the tests takes it from the cache.
python -c 'from profkit.native import build; build(print)'
python -m pytest --numprocesses 2 --dist loadfile "$@"
