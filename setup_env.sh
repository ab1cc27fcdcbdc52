# Sourced by run_example.sh and run_tests.sh: makes .venv with the package in it.
# Installs again when setup.py has changed.

find_python() {
  local name path
  for name in python3.11 python3.10 python3.9 python3 python; do
    # Every one on the PATH: the first may be a shim that does not run.
    while IFS= read -r path; do
      if "$path" -c 'import sys, venv, ensurepip; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 11))' \
          >/dev/null 2>&1; then
        echo "$path"
        return
      fi
    done < <(type -aP "$name")
  done
  return 1
}

# set_up [EXTRAS]: .venv with the package and, of setup.py's extras, those named.
set_up() {
  local extras=${1-} package="." marker=.venv/installed stamp python
  [ -z "$extras" ] || { package=".[$extras]"; marker="$marker-$extras"; }
  stamp="$(cksum < setup.py)"
  if [ "$(cat "$marker" 2>/dev/null)" != "$stamp" ]; then
    if [ ! -x .venv/bin/pip ]; then
      python="$(find_python)" || {
        echo "error: no Python 3.9, 3.10 or 3.11 with the module venv was found; install one (Debian, Ubuntu: apt-get install python3.11 python3.11-venv)" >&2
        exit 1
      }
      echo "+ $python -m venv .venv"
      "$python" -m venv --clear .venv
    fi
    echo "+ .venv/bin/pip install -e '$package'"
    # The pip of an old Python cannot install from a pyproject.toml in place.
    if ! { .venv/bin/python -m pip install --quiet --disable-pip-version-check 'pip>=22' &&
           .venv/bin/python -m pip install --quiet --disable-pip-version-check -e "$package"; }; then
      echo "error: the installation failed; the lines above say why (no network?)" >&2
      exit 1
    fi
    echo "$stamp" | tee "$marker" > .venv/installed
  fi
  export PATH="$PWD/.venv/bin:$PATH"
}
