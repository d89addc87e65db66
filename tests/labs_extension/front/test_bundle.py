"""What JupyterLab loads is what the source builds; `scripts/front.py` does both."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "front.py"


@pytest.fixture
def front() -> ModuleType:
    spec = importlib.util.spec_from_file_location("front", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_build_was_made_from_the_committed_source(front: ModuleType) -> None:
    assert front.stamped() == front.source_hash(), "run 'make front', and commit what it builds"


def test_a_changed_source_is_noticed(front: ModuleType, tmp_path: Path) -> None:
    for name in front.SOURCES:
        source = front.FRONT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    assert front.source_hash(tmp_path) == front.source_hash()
    changed = tmp_path / "src" / "index.ts"
    changed.write_text(changed.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert front.source_hash(tmp_path) != front.source_hash()


def test_the_page_is_told_to_load_a_file_that_is_there(front: ModuleType) -> None:
    built = front.FRONT / front.BUILT
    load = json.loads((built / "package.json").read_text(encoding="utf-8"))["jupyterlab"]["_build"]
    assert (built / load["load"]).is_file()
    assert len(list((built / "static").glob("remoteEntry.*.js"))) == 1
