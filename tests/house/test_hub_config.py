"""Every configuration that we hand out loads, and sets only what exists."""

from __future__ import annotations

import os

import pytest
from jupyterhub.app import JupyterHub

from gpuspawner import settings
from gpuspawner.spawner import GPUSpawner
from tests.house import sources

FILES = [
    path
    for path in sources.files()
    if path.suffix == ".py"
    and sources.name(path).startswith("hub_config/")
    and "config" in path.name
]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to load in, and the environment that a demo gives."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("DEMO_", "AWS_", "JUPYTERHUB_", "GPUSPAWNER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DEMO_DIR", str(tmp_path / "demo"))
    monkeypatch.setenv("DEMO_PORT_BASE", "8000")
    monkeypatch.setenv("DEMO_IMAGE", "ami-0123456789abcdef0")
    monkeypatch.setenv("DEMO_PROXY", '["node", "configurable-http-proxy"]')
    monkeypatch.setenv("GPUSPAWNER_SECRET_FILE", str(tmp_path / "secret"))
    return tmp_path


def test_there_is_one_for_the_demo_and_one_for_a_class():
    names = {sources.name(path).split("/")[1] for path in FILES}
    assert {"demo", "aws"} <= names


@pytest.mark.parametrize("path", FILES, ids=sources.name)
class TestAConfiguration:
    def test_loads_and_sets_only_what_exists(self, path, place):
        config = settings.load(path)
        assert settings.unknown(config) == []
        known = {"GPUSpawner": GPUSpawner, "JupyterHub": JupyterHub}
        missing = [
            f"c.{kind}.{name}"
            for kind, traits in known.items()
            for name in config.get(kind, {})
            if name not in traits.class_trait_names(config=True)
        ]
        assert missing == []

    def test_has_no_effect_when_it_is_loaded_again(self, path, place):
        settings.load(path)
        files = {one: one.stat().st_mtime_ns for one in place.rglob("*")}
        settings.load(path)
        assert {one: one.stat().st_mtime_ns for one in place.rglob("*")} == files
