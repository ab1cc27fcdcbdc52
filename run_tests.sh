#!/usr/bin/env bash
# Set up, then check the style and run the tests, three at a time, since some wait: two
# cores are then busy. With --fast only those that start no process and train no model.
# Other arguments go to pytest.
# TEST_EXTRAS=compare adds PyTorch, which conversions are compared with.
set -euo pipefail
cd "$(dirname "$0")"
. ./setup_env.sh
set_up "test,rjieba,vocab${TEST_EXTRAS:+,$TEST_EXTRAS}"
ruff check .
ruff format --check .

[ "${1-}" != --fast ] || { shift; set -- -m "not slow" "$@"; }
# A file's tests share a process, and what its fixtures have trained; tests/conftest.py
# says which files begin.
python3 -m pytest -n "${TEST_PROCESSES:-3}" --dist loadfile --no-loadscope-reorder "$@"
