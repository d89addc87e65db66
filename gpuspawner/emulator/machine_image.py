"""What an emulated machine is made of: the host's own system and Python, seen read-only."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent.parent
"""The folder of the package, which holds the agent and its unit as well."""

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOOLS = "/opt/gpuspawner-emulator/bin"
"""Where the emulator's own commands are in a machine, first on its PATH."""


@dataclass(frozen=True)
class Image:
    """A machine image.

    Args:
        python: the interpreter of the image.
        path: folders of programs, after the emulator's own and before the system's.
        folders: what a machine sees read-only besides the system, by its path in the machine.
        python_path: folders for the agent to be imported from.
        unit: the systemd unit that the machine's init starts.
        libraries: a folder of shared libraries that the agent's programs find before the system's,
            such as a GPU driver's; empty: none.
    """

    python: str
    path: tuple[str, ...]
    folders: Mapping[str, str] = field(default_factory=dict)
    python_path: tuple[str, ...] = ()
    unit: str = str(PACKAGE / "agent" / "gpuspawner-agent.service")
    libraries: str = ""

    def to_json(self) -> dict[str, Any]:
        """The image, for the machine's process."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Image:
        """The image that `to_json` wrote."""
        return cls(
            python=data["python"],
            path=tuple(data["path"]),
            folders=dict(data["folders"]),
            python_path=tuple(data["python_path"]),
            unit=data["unit"],
            libraries=data["libraries"],
        )

    def environment(self) -> dict[str, str]:
        """What the image sets for the agent."""
        found = {"PYTHONPATH": ":".join(self.python_path)}
        return {**found, "LD_LIBRARY_PATH": self.libraries} if self.libraries else found

    def search_path(self, tools: str) -> str:
        """The machine's PATH, with the emulator's own commands in `tools` first."""
        return ":".join([tools, *self.path, SYSTEM_PATH])


def host_image(extra: Mapping[str, Path] | None = None, *, libraries: Path | None = None) -> Image:
    """An image of the Python that runs now, with all that is installed in it.

    Args:
        extra: further folders to show read-only, by their path in the machine (course content).
        libraries: a folder of shared libraries, shown under its own path.
    """
    folders = [*_python_folders(), *_source_folders(), *([libraries] if libraries else [])]
    shown = {str(folder): str(folder) for folder in folders}
    shown.update({inside: str(folder) for inside, folder in (extra or {}).items()})
    # Not resolved: the name in the virtual environment is what makes it that environment.
    python = Path(sys.executable).absolute()
    return Image(
        python=str(python),
        path=(str(python.parent),),
        folders=shown,
        python_path=(str(PACKAGE.parent),),
        libraries=str(libraries or ""),
    )


def _python_folders() -> list[Path]:
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    real = {os.path.realpath(prefix) for prefix in prefixes}
    real.add(str(Path(sys.executable).resolve().parent.parent))
    return [Path(prefix) for prefix in sorted(prefixes | real) if not _is_system(prefix)]


def _source_folders() -> list[Path]:
    """Our packages when they are installed from a source tree; never the tree, which holds secrets.

    The demo keeps its state in that tree, and so do people.
    """
    if any(PACKAGE.is_relative_to(prefix) for prefix in (sys.prefix, sys.base_prefix)):
        return []
    packages = [child for child in PACKAGE.parent.iterdir() if (child / "__init__.py").is_file()]
    return [package for package in sorted(packages) if package.name != "tests"]


def _is_system(prefix: str) -> bool:
    return prefix in {"/usr", "/"} or prefix.startswith("/usr/")
