# Sourced by run_example.sh and run_tests.sh: makes .venv with the package in it.
# Installs again when setup.py has changed.

find_python() {
  local name
  for name in python3.11 python3.10 python3.9 python3 python; do
    if "$name" -c 'import sys, venv, ensurepip; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 11))' \
        >/dev/null 2>&1; then
      command -v "$name"
      return
    fi
  done
  return 1
}

set_up() {
  local python stamp
  stamp="$(cksum < setup.py)"
  if [ ! -f .venv/installed ] || [ "$(cat .venv/installed)" != "$stamp" ]; then
    if [ ! -x .venv/bin/python ]; then
      python="$(find_python)" || {
        echo "error: no Python 3.9, 3.10 or 3.11 with the module venv was found; install one (Debian, Ubuntu: apt-get install python3.11 python3.11-venv)" >&2
        exit 1
      }
      echo "+ $python -m venv .venv"
      "$python" -m venv .venv
    fi
    echo "+ .venv/bin/pip install -e '.[test,rjieba,vocab]'"
    .venv/bin/pip install --quiet --disable-pip-version-check -e '.[test,rjieba,vocab]' || {
      echo "error: the installation failed; the lines above say why (no network?)" >&2
      exit 1
    }
    echo "$stamp" > .venv/installed
  fi
  export PATH="$PWD/.venv/bin:$PATH"
}
