"""What a student's JupyterLab has besides notebooks: the GPU report, the benchmark, the data sets.

It runs inside the student's own Jupyter server, knows nothing of the hub's side, and works, and
says so, where there is no GPU.
"""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    # Imported here: the benchmark and the data sets need no Jupyter server.
    from labs_extension.extension import LabsExtension  # noqa: PLC0415

    return [{"module": "labs_extension.extension", "app": LabsExtension}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    # What `jupyter labextension develop` links; an installed package has it as data files.
    return [{"src": "labextension", "dest": "gpuspawner-labs"}]
