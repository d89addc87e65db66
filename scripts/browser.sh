#!/usr/bin/env bash
# Make sure that the browser tests find a Chromium: the system's, else Playwright's own.
# Usage: browser.sh VENV/bin
set -euo pipefail

bin=$1
for name in chromium chromium-browser google-chrome-stable google-chrome; do
  command -v "$name" >/dev/null && exit 0
done
[[ -n ${GPUSPAWNER_CHROMIUM:-} ]] && exit 0
browsers=${PLAYWRIGHT_BROWSERS_PATH:-$HOME/.cache/ms-playwright}
compgen -G "$browsers/chromium-*" >/dev/null && exit 0
echo "Downloading a browser for the browser tests, once …"
if ! "$bin/playwright" install chromium >/dev/null; then
  echo "There is no browser for the browser tests: install one, on Debian with 'apt-get install chromium'." >&2
  exit 1
fi
