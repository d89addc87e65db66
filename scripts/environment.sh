#!/usr/bin/env bash
# Make the project's own virtual environment, once, and bring it up to date when setup.cfg changes.
# Usage: environment.sh FOLDER demo|test
set -euo pipefail

venv=$1
wanted=$2

if [[ $(uname -s) != Linux ]]; then
  echo "gpuspawner runs on Linux: on Windows use WSL2, on a Mac a Linux virtual machine." >&2
  exit 1
fi

case $wanted in
  demo) extras=demo ;;
  test) extras=test,postgres ;;
  *) echo "environment.sh: there is no environment '$wanted'." >&2; exit 2 ;;
esac

# A stamp names what was installed. 'test' holds all of 'demo', so it serves for both. It is
# cheaper to install once too often than to wonder why a new dependency is missing.
key=$(cat setup.cfg pyproject.toml | sha256sum | cut -c1-16)
for stamp in "$wanted" test; do
  if [[ -x $venv/bin/python && -e $venv/.stamp-$stamp-$key ]] && "$venv/bin/python" -c '' 2>/dev/null
  then
    exit 0
  fi
done

# Two runs at once (a demo, and tests beside it) must not install into each other.
mkdir -p build
exec 9>build/.environment.lock
flock 9
[[ -e $venv/.stamp-$wanted-$key || -e $venv/.stamp-test-$key ]] && exit 0

find_python() {
  local name
  for name in python3 python3.13 python3.12 python3.11 python3.10 python3.14; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  echo "gpuspawner needs Python 3.10 or newer: install it, on Debian with 'apt-get install python3-venv'." >&2
  return 1
}

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  python=$(find_python)
  if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    echo "This Python cannot make virtual environments: install venv, on Debian with 'apt-get install python3-venv'." >&2
    exit 1
  fi
  echo "Making the environment $venv with $("$python" --version) …"
  rm -rf "$venv"
  "$python" -m venv "$venv"
fi

echo "Installing what 'make $wanted' needs into $venv; this takes a minute or two, once …"
if ! "$venv/bin/python" -m pip install --quiet --editable ".[$extras]"; then
  echo "Installing failed: see pip's message above, check the connection to the Internet, and run it again." >&2
  exit 1
fi
# An editable installation leaves out what belongs outside of the packages; the demo's machines see
# this environment, and their Jupyter servers are to find the extension.
install -D -m 644 -t "$venv/etc/jupyter/jupyter_server_config.d" \
  jupyter-config/server-config/labs_extension.json
install -D -m 644 -t "$venv/share/jupyter/lab/settings/overrides.d" \
  jupyter-config/lab-settings/gpuspawner.json
# As `jupyter labextension develop` does it: what is built next is what is seen.
mkdir -p "$venv/share/jupyter/labextensions"
ln -sfn "$PWD/labs_extension/labextension" "$venv/share/jupyter/labextensions/gpuspawner-labs"
rm -f "$venv"/.stamp-"$wanted"-*
touch "$venv/.stamp-$wanted-$key"
