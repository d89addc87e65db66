"""Runs notebooks as a student would, quickly, each language in a folder of its name."""

from __future__ import annotations

import shutil

import course
import nbformat
import pytest
from nbclient import NotebookClient


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """What JAX compiles for one language serves the other: the code is the same."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def run(tmp_path, monkeypatch, compiled):
    """Runs the notebook of a lesson in a language; returns it with its outputs."""
    for name in ("GPUSPAWNER_SESSION_FILE", "GPUSPAWNER_DATA", "PYTHONWARNINGS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QUICK", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(compiled))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")

    def run(language, lesson):
        folder = tmp_path / "course" / language
        folder.mkdir(parents=True)
        path = shutil.copy(course.CONTENT / language / f"{lesson}.ipynb", folder)
        notebook = nbformat.read(path, as_version=4)
        client = NotebookClient(
            notebook,
            timeout=400,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
        )
        return client.execute()

    return run


def printed(notebook, kind="stdout"):
    """Everything that the notebook's cells printed."""
    return "".join(
        output["text"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.get("name") == kind
    )
