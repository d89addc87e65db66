"""A library in the place of NVIDIA's, built from C, so that its real binding is used on any computer."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("nvml.c")
LIBRARY = "libnvidia-ml.so.1"


class Driver:
    """The folder that a machine is shown as its driver's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def works(self, host: str, percent: int, milliseconds: int = 0) -> None:
        """From now on the GPU of the machine with this host name is so busy, and so slow to say so."""
        (self.folder / host).write_text(f"{percent} {milliseconds}\n", encoding="ascii")


def build(folder: Path) -> Driver:
    """Compile the library into `folder`."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        if os.environ.get("CI"):
            pytest.fail("there is no C compiler: run 'apt-get install gcc libc6-dev'")
        pytest.skip("there is no C compiler: run 'apt-get install gcc libc6-dev'")
    folder.chmod(0o755)  # a machine's root is nobody here
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*command, "-o", str(folder / LIBRARY), str(SOURCE), "-ldl"], check=True)
    return Driver(folder)
