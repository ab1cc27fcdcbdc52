#!/usr/bin/env bash
# Set up, then check the style and run the tests. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")"
. ./setup_env.sh
set_up test,rjieba,vocab
ruff check .
ruff format --check .
python3 -m pytest "$@"
