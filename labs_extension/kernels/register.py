"""Offer another Python environment of the image as a kernel.

`python -m labs_extension.kernels.register --python /opt/torch/bin/python --name torch --title PyTorch`
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from labs_extension.kernels import launch

SPECS = Path(__file__).parent / "specs"
"""The kernel of the server's own environment."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def main(argv: Sequence[str] | None = None) -> int:
    """Write the kernel's specification beside the server's; the exit status."""
    parser = argparse.ArgumentParser(prog="labs_extension.kernels.register", description=__doc__)
    parser.add_argument("--python", type=Path, required=True, help="the environment's interpreter")
    parser.add_argument("--name", required=True, help="lower case; what notebooks remember")
    parser.add_argument("--title", required=True, help="what people see")
    parser.add_argument("--prefix", type=Path, default=Path(sys.prefix), help="where servers look")
    options = parser.parse_args(argv)
    if not _NAME.fullmatch(options.name) or options.name == "python3":
        parser.error(
            "the name has lower-case letters, digits, '.', '-' and '_', and is not python3"
        )
    asked = [str(options.python), "-c", "import ipykernel, pip"]
    if subprocess.run(asked, check=False, capture_output=True).returncode:
        parser.error(f"{options.python} does not run, or has no ipykernel or no pip")
    folder = options.prefix / "share/jupyter/kernels" / options.name
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(specification(options.python, options.title), ensure_ascii=False, indent=1)
    (folder / "kernel.json").write_text(text + "\n", encoding="utf-8")
    return 0


def specification(python: Path, title: str) -> dict[str, object]:
    """The kernel of another environment: its own Python, and packages in the home as in ours."""
    start = [str(python.absolute()), str(Path(launch.__file__).absolute()), "ipykernel_launcher"]
    return {
        "argv": [*start, "-f", "{connection_file}"],
        "display_name": title,
        "language": "python",
        "metadata": {"debugger": True},
    }


if __name__ == "__main__":
    sys.exit(main())
