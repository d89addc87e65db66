#!/usr/bin/env bash
# Run every benchmark, or the ones named in BENCH, one after another.
# Usage: bench.sh VENV/bin
set -euo pipefail

bin=$1
shopt -s nullglob
scripts=(benchmarks/${BENCH:-[!_]*}.py)  # those that begin with _ are parts of others
if [[ ${#scripts[@]} == 0 ]]; then
  echo "There is no benchmark '${BENCH:-*}' under benchmarks/." >&2
  exit 1
fi
"$bin/gpuspawner" install-proxy > /dev/null  # there already, unless nothing has needed it yet
for script in "${scripts[@]}"; do
  echo "== $script"
  "$bin/python" "$script"
done
