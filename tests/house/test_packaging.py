"""What an installed package needs is in it."""

from __future__ import annotations

import configparser
import json

from tests.house import sources

CONFIG = configparser.ConfigParser()
CONFIG.read(sources.ROOT / "setup.cfg")


FRONT_END = {
    ".npmrc", "built_from.json", "install.json", "labextension", "package-lock.json", "package.json", "src", "style",
    "tsconfig.json",
}  # fmt: skip
"""Of the labs_extension: sources that nobody needs there, and what is installed as data files."""


def test_every_file_in_the_package_is_installed():
    packages = CONFIG["options.package_data"]
    listed = {
        path
        for package, patterns in packages.items()
        for pattern in patterns.split()
        for path in (sources.ROOT / package).glob(pattern)
    }
    data = {
        path
        for path in sources.files()
        if path.relative_to(sources.ROOT).parts[0] in packages and path.suffix != ".py"
    }
    places = {path: path.relative_to(sources.ROOT).parts for path in data}
    data -= {one for one, at in places.items() if at[0] == "labs_extension" and at[1] in FRONT_END}
    assert sorted(map(sources.name, data - listed)) == []


def test_the_built_front_end_is_installed_where_jupyterlab_looks():
    lab = sources.ROOT / "labs_extension"
    data = CONFIG["options.data_files"]
    place = "share/jupyter/labextensions/gpuspawner-labs"
    found = {
        path.relative_to(lab).as_posix()
        for name in (place, f"{place}/static")
        for pattern in data[name].split()
        for path in sources.ROOT.glob(pattern)
    }
    built = {path.relative_to(lab).as_posix() for path in (lab / "labextension").rglob("*.js*")}
    assert found == built | {"install.json"}
    load = json.loads((lab / "labextension/package.json").read_text())["jupyterlab"]["_build"]
    assert f"labextension/{load['load']}" in found


def test_the_lock_files_name_no_host():
    locks = [path for path in sources.files() if path.name == "package-lock.json"]
    assert len(locks) == 2
    assert [sources.name(path) for path in locks if '"resolved"' in path.read_text()] == []


def test_every_folder_of_modules_is_a_package():
    folders = {path.parent for path in sources.product() if "versions" not in path.parts}
    bare = [sources.name(one) for one in folders if not (one / "__init__.py").exists()]
    assert [name for name in bare if "/migrations" not in name and "/commands" not in name] == []


def test_the_secret_things_are_ignored_by_git():
    ignored = (sources.ROOT / ".gitignore").read_text().split()
    assert {".demo/", "jupyterhub_cookie_secret"} <= {*ignored}
