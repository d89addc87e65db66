"""Puts what cells have shown into a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nbformat.v4 import new_code_cell

from labs_extension.outputs.runs import Run


def put(notebook: dict[str, Any], runs: Iterable[Run], *, add: bool) -> tuple[bool, list[Run]]:
    """Put the outputs of `runs` into their cells; `notebook` is changed.

    A cell that the file does not have was never saved, or has been deleted. If no page has saved the
    notebook since it was run, it is the former, and the file's version of another cell is older than
    what was run.

    Args:
        notebook: of nbformat 4.
        runs: of its cells.
        add: whether to add a cell that was never saved, at the end.

    Returns:
        Whether the notebook is another now, and the runs that have no place in it.
    """
    changed, strangers = False, []
    for run in runs:
        cell = find(notebook["cells"], run)
        if cell is None and (run.saved_since or not add or not run.code):
            strangers.append(run)
            continue
        if cell is None:
            cell = _new_cell(notebook, run)
            changed = True
        changed = _fill(cell, run) or changed
    return changed, strangers


def find(cells: list[Any], run: Run) -> Any | None:
    """The cell of `run`: by its id, or in a notebook from before there were ids, by its code."""
    code_cells = [cell for cell in cells if cell.get("cell_type") == "code"]
    for cell in code_cells:
        if cell.get("id") == run.cell:
            return cell
    same = (cell for cell in code_cells if "id" not in cell and cell.get("source") == run.code)
    return next(same, None)


def _new_cell(notebook: dict[str, Any], run: Run) -> Any:
    cell = new_code_cell(run.code, id=run.cell)  # type: ignore[no-untyped-call]
    if (notebook["nbformat"], notebook["nbformat_minor"]) < (4, 5):
        del cell["id"]
    notebook["cells"].append(cell)
    return cell


def _fill(cell: Any, run: Run) -> bool:
    source = cell["source"] if run.saved_since or not run.code else run.code
    new = {
        "source": source,
        "outputs": run.outputs.as_notebook(),
        "execution_count": run.count,
    }
    if all(cell.get(key) == value for key, value in new.items()):
        return False
    cell.update(new)
    # What a page has run is trusted; only a notebook whose cells all are is signed.
    cell["metadata"]["trusted"] = True
    return True
