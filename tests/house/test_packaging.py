"""What an installed package needs is in it."""

from __future__ import annotations

import configparser

from tests.house import sources

CONFIG = configparser.ConfigParser()
CONFIG.read(sources.ROOT / "setup.cfg")


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
    assert sorted(map(sources.name, data - listed)) == []


def test_every_folder_of_modules_is_a_package():
    folders = {path.parent for path in sources.product() if "versions" not in path.parts}
    bare = [sources.name(one) for one in folders if not (one / "__init__.py").exists()]
    assert [name for name in bare if "/migrations" not in name and "/commands" not in name] == []


def test_the_secret_things_are_ignored_by_git():
    ignored = (sources.ROOT / ".gitignore").read_text().split()
    assert {".demo/", "jupyterhub_cookie_secret"} <= {*ignored}
