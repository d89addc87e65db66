"""Make the course's notebooks from their sources: one source, a notebook for each language.

A source is `course_content/source/NAME.py`, a Python file with cells (jupytext's `py:percent`). A
cell of text is for one language, `# %% [markdown] lang="ko"`; a cell of code is for all. So the
code of a lesson is the same in every language, since there is only one.

Usage: python scripts/course.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jupytext

ROOT = Path(__file__).resolve().parent.parent
CONTENT = ROOT / "course_content"
LANGUAGES = ("en", "ko")
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def sources() -> list[Path]:
    """The lessons, in their order."""
    return sorted((CONTENT / "source").glob("*.py"))


def notebook(source: Path, language: str) -> dict[str, Any]:
    """The lesson in one language, in Jupyter's format 4.5, without outputs.

    Raises:
        ValueError: a cell of text that is for no language, or for one that there is not.
    """
    cells = []
    for number, cell in enumerate(jupytext.read(source, fmt="py:percent").cells):
        same = {"id": f"cell-{number:02}", "metadata": {}, "source": cell.source.splitlines(True)}
        if cell.cell_type == "code":
            cells.append({"cell_type": "code", "execution_count": None, "outputs": [], **same})
            continue
        spoken = cell.metadata.get("lang")
        if spoken not in LANGUAGES:
            raise ValueError(f"{source.name}: a cell of text needs lang=: {cell.source[:60]!r}")
        if spoken == language:
            cells.append({"cell_type": "markdown", **same})
    return {"cells": cells, "metadata": _METADATA, "nbformat": 4, "nbformat_minor": 5}


def text(notebook: dict[str, Any]) -> str:
    """The notebook as a file, as JupyterLab writes it; the same source gives the same bytes."""
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def made() -> dict[Path, str]:
    """Every notebook that there should be, by its path."""
    return {
        CONTENT / language / f"{source.stem}.ipynb": text(notebook(source, language))
        for language in LANGUAGES
        for source in sources()
    }


def main() -> int:
    """Write them, and remove those of lessons that are gone."""
    wanted = made()
    for language in LANGUAGES:
        for old in {*(CONTENT / language).glob("*.ipynb")} - {*wanted}:
            old.unlink()
    for path, content in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    print(f"{len(wanted)} notebooks from {len(sources())} sources")
    return 0


if __name__ == "__main__":
    sys.exit(main())
