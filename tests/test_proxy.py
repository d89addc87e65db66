"""The proxy is node's own, run by a real node, installed once and whole."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import sys
from pathlib import Path

import pytest

from gpuspawner import proxy
from gpuspawner.errors import ConfigurationError


def put(folder: Path, name: str, text: str) -> Path:
    """An executable file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A real node; the PATH is empty."""
    found = proxy._node()
    assert found is not None
    monkeypatch.setattr(proxy, "_node", lambda: found)
    monkeypatch.setenv("PATH", "")
    return found


def node_script(version: str) -> str:
    return f"#!/usr/bin/env node\nconsole.log({version!r})\n"


def put_installed(folder: Path, version: str = "5.3.0") -> Path:
    entry = proxy._home(folder) / proxy._ENTRY
    return put(entry.parent, entry.name, node_script(version))


class TestCommand:
    def test_takes_the_proxy_of_the_system_with_node_by_absolute_path(
        self, tmp_path, node, monkeypatch
    ):
        script = put(tmp_path / "bin", "configurable-http-proxy", node_script("5.1.0"))
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        assert proxy.command(tmp_path / "none") == [str(node), str(script)]

    def test_takes_the_installed_one_when_the_system_has_an_old_one(
        self, tmp_path, node, monkeypatch
    ):
        put(tmp_path / "bin", "configurable-http-proxy", node_script("4.6.2"))
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        installed = put_installed(tmp_path / "data")
        assert proxy.command(tmp_path / "data") == [str(node), str(installed)]

    def test_does_not_take_the_namesake_in_python_whatever_it_says(
        self, tmp_path, node, monkeypatch
    ):
        put(
            tmp_path / "bin",
            "configurable-http-proxy",
            f"#!{sys.executable}\nprint('5.3.0')\n",
        )
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        with pytest.raises(ConfigurationError, match="run 'gpuspawner install-proxy'"):
            proxy.command(tmp_path / "data")

    def test_changes_nothing_when_there_is_none(self, tmp_path, node):
        with pytest.raises(ConfigurationError):
            proxy.command(tmp_path / "data")
        assert list(tmp_path.iterdir()) == []

    def test_without_node_says_how_to_get_it(self, tmp_path, monkeypatch):
        monkeypatch.setattr(proxy, "_node", lambda: None)
        with pytest.raises(ConfigurationError, match=re.escape("pip install gpuspawner[proxy]")):
            proxy.command(tmp_path)


class TestNode:
    def test_does_not_take_a_script_named_node(self, tmp_path, monkeypatch):
        script = put(tmp_path, "node", f"#!{sys.executable}\nprint('v24.0.0')\n")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert proxy._node() != script

    def test_falls_back_to_the_binary_in_the_wheel(self, monkeypatch):
        wheel = proxy._wheel()
        assert wheel is not None
        monkeypatch.setenv("PATH", "")
        assert proxy._node() == wheel / "bin" / "node"

    def test_is_none_when_the_wheel_is_missing_too(self, monkeypatch):
        monkeypatch.setenv("PATH", "")
        monkeypatch.setattr(proxy, "_wheel", lambda: None)
        assert proxy._node() is None

    @pytest.mark.skipif(sys.platform != "linux", reason="node is an ELF file on Linux only")
    def test_does_not_take_an_old_one(self, tmp_path, monkeypatch):
        wheel = proxy._wheel()
        assert wheel is not None
        (tmp_path / "node").symlink_to(wheel / "bin" / "node")
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(proxy, "NODE_AT_LEAST", 1000)
        assert proxy._node() is None


class TestInstall:
    def test_does_nothing_when_it_is_installed(self, tmp_path, node, monkeypatch):
        installed = put_installed(tmp_path)
        monkeypatch.setattr(proxy, "_download", pytest.fail)
        assert proxy.install(tmp_path) == [str(node), str(installed)]

    def test_puts_the_whole_folder_in_its_place_at_once(self, tmp_path, node, monkeypatch):
        def download(draft: Path) -> None:
            assert not proxy._home(tmp_path).exists()
            put((draft / proxy._ENTRY).parent, proxy._ENTRY.name, node_script("5.3.0"))

        monkeypatch.setattr(proxy, "_download", download)
        assert proxy.install(tmp_path) == [str(node), str(proxy._home(tmp_path) / proxy._ENTRY)]
        assert [path.name for path in tmp_path.iterdir()] == [proxy._home(tmp_path).name]

    def test_takes_what_another_process_installed_meanwhile(self, tmp_path, node, monkeypatch):
        def download(draft: Path) -> None:
            put((draft / proxy._ENTRY).parent, proxy._ENTRY.name, node_script("5.3.0"))
            put_installed(tmp_path)

        monkeypatch.setattr(proxy, "_download", download)
        assert proxy.install(tmp_path)[1] == str(proxy._home(tmp_path) / proxy._ENTRY)

    def test_offline_says_what_to_do_in_one_sentence_and_leaves_nothing(
        self, tmp_path, node, monkeypatch
    ):
        npm = put(
            tmp_path / "bin",
            "npm",
            "#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\necho 'npm error network' >&2\nexit 1\n",
        )
        monkeypatch.setattr(proxy, "_npm", lambda: [str(npm)])
        with pytest.raises(ConfigurationError, match=r"ENOTFOUND.*connect this machine") as caught:
            proxy.install(tmp_path / "data")
        assert "\n" not in caught.value.detail
        assert list((tmp_path / "data").iterdir()) == []

    def test_a_folder_that_cannot_be_written_is_named(self, tmp_path, node):
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigurationError, match="choose a folder that can be written"):
            proxy.install(tmp_path / "file" / "data")


class TestTheLock:
    lock = json.loads((proxy._PACKAGE / "package-lock.json").read_text())

    def test_names_no_place_to_download_from(self):
        assert [name for name, entry in self.lock["packages"].items() if "resolved" in entry] == []

    def test_pins_every_package_by_its_hash(self):
        packages = {name: entry for name, entry in self.lock["packages"].items() if name}
        assert [name for name, entry in packages.items() if "integrity" not in entry] == []

    def test_is_of_the_version_that_the_package_asks_for(self):
        package = json.loads((proxy._PACKAGE / "package.json").read_text())
        wanted = package["dependencies"]["configurable-http-proxy"]
        locked = self.lock["packages"]["node_modules/configurable-http-proxy"]["version"]
        assert locked == wanted


def test_the_one_in_this_environment_is_installed_and_answers():
    """Downloads it on the first run of a fresh checkout: the tests with a hub need it anyway."""
    node, script = proxy.install()
    assert os.access(node, os.X_OK)
    assert Path(script).is_file()
    assert shutil.which(node) == node
    assert proxy.command() == [node, script]
